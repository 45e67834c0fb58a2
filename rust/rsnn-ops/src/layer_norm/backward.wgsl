// layer_norm's dx, one workgroup per row: rstd * (w g - mean(w g) - xhat * mean(w g xhat)).
//#include index
//#include reduce
struct P { rows: u32, n: u32, x_offset: u32, g_offset: u32, o_offset: u32, weight_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> g: array<f32>;
@group(0) @binding(2) var<storage, ${READ}> rstds: array<f32>;
@group(0) @binding(3) var<storage, ${READ}> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
//#if WEIGHT
@group(0) @binding(5) var<storage, ${READ}> weight: array<f32>;
//#endif

fn weighted(row_base: u32, i: u32) -> f32 {
    var v = g[row_base + i];
//#if WEIGHT
    v *= weight[p.weight_offset + i];
//#endif
    return v;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = flat_group(group, groups);
    if (row >= p.rows) { return; }
    let base = p.x_offset + row * p.n;
    let g_base = p.g_offset + row * p.n;
    let stat = vec2<f32>(means[row], rstds[row]);
    var sums = vec2<f32>();
    for (var i = local; i < p.n; i += 256u) {
        let v = weighted(g_base, i);
        sums += vec2<f32>(v, v * (x[base + i] - stat.x) * stat.y);
    }
    sums = reduce_sum2(sums, local) / f32(p.n);
    let to = p.o_offset + row * p.n;
    for (var i = local; i < p.n; i += 256u) {
        let xhat = (x[base + i] - stat.x) * stat.y;
        dx[to + i] = stat.y * (weighted(g_base, i) - sums.x - xhat * sums.y);
    }
}
