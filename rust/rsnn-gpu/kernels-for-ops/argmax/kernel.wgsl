// int64 index of the first largest (MIN: smallest) value over the middle of a dense [outer, dim, inner]; NaN wins.
// One invocation a result.
//#include prelude
//#include index
struct P { results: u32, dim: u32, inner: u32, x_offset: u32, o_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<vec2<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let result = flat_index(group, groups, local);
    if (result >= p.results) { return; }
    let q = result / p.inner;
    let base = p.x_offset + q * p.dim * p.inner + (result - q * p.inner);
    var best = x[base];
    var at = 0u;
    for (var i = 1u; i < p.dim; i += 1u) {
        let v = x[base + i * p.inner];
//#if MIN
        let better = v < best;
//#else
        let better = v > best;
//#endif
        if (!is_nan(best) && (better || is_nan(v))) {
            best = v;
            at = i;
        }
    }
    out[p.o_offset + result] = vec2<u32>(at, 0u);
}
