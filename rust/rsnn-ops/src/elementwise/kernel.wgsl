// out[i] = EXPR of a and b, both strided (stride 0 broadcasts) unless DENSE; out is dense.
// BOOL: EXPR is a bool, four bytes an invocation.
// Inputs are float32, I64 (vec2<u32>, low word first) or BYTE (u32, from bool or uint8).
//#include prelude
//#include index
//#include compare
struct P {
//#if !DENSE
//#dims a b
//#endif
    n: u32, a_offset: u32, b_offset: u32, o_offset: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> xa: array<${STORED}>;
@group(0) @binding(1) var<storage, ${READ}> xb: array<${STORED}>;
@group(0) @binding(2) var<storage, read_write> out: array<${OUT}>;

//#if BOOL
fn f(a: ${T}, b: ${T}) -> bool { return ${EXPR}; }
//#else
fn f(a: ${T}, b: ${T}) -> ${T} { return ${EXPR}; }
//#endif

//#if !VEC4
fn value(at: u32) -> ${RESULT} {
//#if DENSE
    let a_at = p.a_offset + at;
    let b_at = p.b_offset + at;
//#else
    var i = at;
    var a_at = p.a_offset;
    var b_at = p.b_offset;
//#walk a b
//#endif
//#if BYTE
    return f(byte_of(xa[a_at >> 2u], a_at), byte_of(xb[b_at >> 2u], b_at));
//#else
    return f(xa[a_at], xb[b_at]);
//#endif
}
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, local);
//#if BOOL
    if (at * 4u >= p.n) { return; }
    var word = 0u;
    for (var j = 0u; j < 4u && at * 4u + j < p.n; j++) { word |= select(0u, 1u, value(at * 4u + j)) << (j * 8u); }
    out[(p.o_offset >> 2u) + at] = word;
//#else
    if (at >= p.n) { return; }
//#if VEC4
    let a = xa[p.a_offset + at];
    let b = xb[p.b_offset + at];
    out[p.o_offset + at] = vec4<f32>(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w));
//#else
    out[p.o_offset + at] = value(at);
//#endif
//#endif
}
