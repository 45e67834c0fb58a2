// out = keep ? x * scale : 0. The decision is a function of (key, stream, element): elements go in groups of 128 of
// 16 blocks of four words; element e of a group has word (e mod 64) / 16 of block e mod 16, low half first.
//#include index
//#include philox
struct P {
    n: u32, x_offset: u32, o_offset: u32, threshold: u32,
    key_low: u32, key_high: u32, stream_low: u32, stream_high: u32, scale: f32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

// One invocation takes the eight elements of one block.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let block = flat_index(group, groups, local);
    let first = (block >> 4u) * 128u + (block & 15u);
    if (first >= p.n) { return; }
    let words = philox(vec4<u32>(block, 0u, p.stream_low, p.stream_high), vec2<u32>(p.key_low, p.key_high));
    for (var j = 0u; j < 8u; j++) {
        let at = first + j * 16u;
        if (at < p.n) {
            let uniform_bits = (words[j & 3u] >> ((j >> 2u) * 16u)) & 0xffffu;
            out[p.o_offset + at] = select(0.0, x[p.x_offset + at] * p.scale, uniform_bits >= p.threshold);
        }
    }
}
