// Part sums of dweight = sum of g * xhat and dbias = sum of g over `chunk` rows each: parts[chunk][2][n].
// A workgroup takes 64 columns by 4 row lanes; the order of additions depends on the shape only.
struct P { rows: u32, n: u32, chunk: u32, x_offset: u32, g_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> g: array<f32>;
@group(0) @binding(2) var<storage, ${READ}> rstds: array<f32>;
@group(0) @binding(3) var<storage, ${READ}> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<f32>;

var<workgroup> lanes: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let col = group.x * 64u + (local & 63u);
    let first = group.y * p.chunk;
    let end = min(first + p.chunk, p.rows);
    var sums = vec2<f32>();
    if (col < p.n) {
        for (var row = first + (local >> 6u); row < end; row += 4u) {
            let v = g[p.g_offset + row * p.n + col];
            let stat = vec2<f32>(means[row], rstds[row]);
            sums += vec2<f32>(v * (x[p.x_offset + row * p.n + col] - stat.x) * stat.y, v);
        }
    }
    lanes[local] = sums;
    workgroupBarrier();
    if (local < 64u && col < p.n) {
        let total = (lanes[local] + lanes[local + 64u]) + (lanes[local + 128u] + lanes[local + 192u]);
        parts[group.y * 2u * p.n + col] = total.x;
        parts[group.y * 2u * p.n + p.n + col] = total.y;
    }
}
