// out[strided] = x[strided] for any type of WORD (u32, or vec2<u32> for eight bytes);
// BYTE: one-byte types into a dense out, four elements an invocation.
//#include index
struct P {
//#dims x o
    n: u32, x_offset: u32, o_offset: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<${WORD}>;
@group(0) @binding(1) var<storage, read_write> out: array<${WORD}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, local);
//#if BYTE
    if (at * 4u >= p.n) { return; }
    var word = 0u;
    for (var j = 0u; j < 4u && at * 4u + j < p.n; j++) {
        var i = at * 4u + j;
        var x_at = p.x_offset;
        var o_at = 0u;
//#walk x o
        word |= byte_of(x[x_at >> 2u], x_at) << (j * 8u);
    }
    out[(p.o_offset >> 2u) + at] = word;
//#else
    if (at >= p.n) { return; }
    var i = at;
    var x_at = p.x_offset;
    var o_at = p.o_offset;
//#walk x o
    out[o_at] = x[x_at];
//#endif
}
