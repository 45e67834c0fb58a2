// out[i] = weight[indices[i]], rows of `width` values; indices are int64 (low word first) and were checked by the host
// or, where they were not, an index outside the table reads as NaN.
//#include prelude
//#include index
struct P { n: u32, width: u32, rows: u32, indices_offset: u32, weight_offset: u32, o_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> weight: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> indices: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, local);
    if (at >= p.n * p.width) { return; }
    let i = at / p.width;
    let index = indices[p.indices_offset + i];
    var v = nan();
    if (index.y == 0u && index.x < p.rows) { v = weight[p.weight_offset + index.x * p.width + (at - i * p.width)]; }
    out[p.o_offset + at] = v;
}
