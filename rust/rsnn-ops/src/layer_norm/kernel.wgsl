// layer_norm over dense rows of n values, one workgroup per row.
//#include index
//#include reduce
struct P {
    rows: u32, n: u32, x_offset: u32, o_offset: u32,
    weight_offset: u32, bias_offset: u32, eps: f32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> rstds: array<f32>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;
//#if WEIGHT
@group(0) @binding(4) var<storage, ${READ}> weight: array<f32>;
//#endif
//#if BIAS
@group(0) @binding(${BIAS}) var<storage, ${READ}> bias: array<f32>;
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = flat_group(group, groups);
    if (row >= p.rows) { return; }
    let base = p.x_offset + row * p.n;
    var mean = 0.0;
    for (var i = local; i < p.n; i += 256u) { mean += x[base + i]; }
    mean = reduce_sum(mean, local) / f32(p.n);
    // Squares of deviations in a second pass: E[x^2] - mean^2 cancels for large means.
    var total = 0.0;
    for (var i = local; i < p.n; i += 256u) {
        let d = x[base + i] - mean;
        total += d * d;
    }
    let rstd = 1.0 / sqrt(reduce_sum(total, local) / f32(p.n) + p.eps);
    if (local == 0u) {
        rstds[row] = rstd;
        means[row] = mean;
    }
    let to = p.o_offset + row * p.n;
    for (var i = local; i < p.n; i += 256u) {
        var y = (x[base + i] - mean) * rstd;
//#if WEIGHT
        y *= weight[p.weight_offset + i];
//#endif
//#if BIAS
        y += bias[p.bias_offset + i];
//#endif
        out[to + i] = y;
    }
}
