// Reduces the middle of a dense [outer, reduce, inner]; `chunk` of it per result, so long ones take two passes.
// out is [outer, chunks, inner]. ROWS (inner = 1): a workgroup per result; otherwise an invocation per result.
//#include prelude
//#include index
struct P { results: u32, reduce: u32, inner: u32, chunk: u32, chunks: u32, x_offset: u32, o_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

fn combine(a: f32, b: f32) -> f32 { return ${COMBINE}; }

//#if ROWS
var<workgroup> scratch: array<f32, 256>;
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
//#if ROWS
    let result = flat_group(group, groups);
    if (result >= p.results) { return; }
    let outer = result / p.chunks;
    let first = (result - outer * p.chunks) * p.chunk;
    let end = min(first + p.chunk, p.reduce);
    let base = p.x_offset + outer * p.reduce;
    var acc = ${INIT};
    for (var i = first + local; i < end; i += 256u) { acc = combine(acc, x[base + i]); }
    scratch[local] = acc;
    workgroupBarrier();
    for (var step = 128u; step > 0u; step = step >> 1u) {
        if (local < step) { scratch[local] = combine(scratch[local], scratch[local + step]); }
        workgroupBarrier();
    }
    if (local == 0u) { out[p.o_offset + result] = scratch[0]; }
//#else
    let result = flat_index(group, groups, local);
    if (result >= p.results) { return; }
    let q = result / p.inner;
    let col = result - q * p.inner;
    let outer = q / p.chunks;
    let first = (q - outer * p.chunks) * p.chunk;
    let end = min(first + p.chunk, p.reduce);
    let base = p.x_offset + outer * p.reduce * p.inner + col;
    // Four partial results break the chain of dependent additions.
    var acc = array<f32, 4>(${INIT}, ${INIT}, ${INIT}, ${INIT});
    var i = first;
    for (; i + 3u < end; i += 4u) {
        acc[0] = combine(acc[0], x[base + i * p.inner]);
        acc[1] = combine(acc[1], x[base + (i + 1u) * p.inner]);
        acc[2] = combine(acc[2], x[base + (i + 2u) * p.inner]);
        acc[3] = combine(acc[3], x[base + (i + 3u) * p.inner]);
    }
    for (; i < end; i += 1u) { acc[0] = combine(acc[0], x[base + i * p.inner]); }
    out[p.o_offset + result] = combine(combine(acc[0], acc[1]), combine(acc[2], acc[3]));
//#endif
}
