// dweight[r] = sum of g[i] where indices[i] = r, in the order of i: one workgroup per table row and 256 columns.
// Each tile of 256 indices becomes a bit set, so that rows nobody names cost little.
//#include index
struct P {
    n: u32, width: u32, rows: u32, indices_offset: u32, g_offset: u32, o_offset: u32,
    padding_idx: u32, blocks: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> g: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> indices: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> dweight: array<f32>;

var<workgroup> hits: array<atomic<u32>, 8>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let flat = flat_group(group, groups);
    if (flat >= p.rows * p.blocks) { return; }
    let row = flat / p.blocks;
    let col = (flat - row * p.blocks) * 256u + local;
    var total = 0.0;
    for (var first = 0u; first < p.n; first += 256u) {
        if (local < 8u) { atomicStore(&hits[local], 0u); }
        workgroupBarrier();
        if (first + local < p.n) {
            let index = indices[p.indices_offset + first + local];
            if (index.x == row && index.y == 0u) { atomicOr(&hits[local >> 5u], 1u << (local & 31u)); }
        }
        workgroupBarrier();
        for (var w = 0u; w < 8u; w++) {
            var bits = atomicLoad(&hits[w]);
            while (bits != 0u) {
                let i = first + w * 32u + countTrailingZeros(bits);
                bits = bits & (bits - 1u);
                if (col < p.width) { total += g[p.g_offset + i * p.width + col]; }
            }
        }
        workgroupBarrier();
    }
    if (row == p.padding_idx) { total = 0.0; }
    if (col < p.width) { dweight[p.o_offset + row * p.width + col] = total; }
}
