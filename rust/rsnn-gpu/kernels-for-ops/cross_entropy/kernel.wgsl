// cross_entropy over rows of `classes` logits with int64 targets, one workgroup per row.
// Forward: out[row] = (loss, weight) and stats[row] = log-sum-exp; the caller sums and divides.
// BACKWARD: dx = scale[row] * weight * (softmax - target), target smoothed by p.smoothing.
// NLL: x holds log-probabilities, so the log-sum-exp is 0 and the gradient touches only the target.
//#include prelude
//#include index
//#include reduce
struct P {
    rows: u32, classes: u32, x_offset: u32, target_offset: u32, weight_offset: u32, g_offset: u32, o_offset: u32,
    ignore_index: u32, ignore_high: u32, smoothing: f32, g_stride: u32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> targets: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
//#if BACKWARD
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, ${READ}> g: array<f32>;
//#else
@group(0) @binding(3) var<storage, read_write> out: array<vec2<f32>>;
//#endif
//#if WEIGHT
@group(0) @binding(${WEIGHT}) var<storage, ${READ}> weight: array<f32>;
//#endif

fn class_weight(class_index: u32) -> f32 {
//#if WEIGHT
    return weight[p.weight_offset + class_index];
//#else
    return 1.0;
//#endif
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = flat_group(group, groups);
    if (row >= p.rows) { return; }
    let base = p.x_offset + row * p.classes;
    let wanted = targets[p.target_offset + row];
    let ignored = wanted.x == p.ignore_index && wanted.y == p.ignore_high;
    // A target outside the classes makes the loss NaN rather than reading elsewhere.
    let valid = wanted.y == 0u && wanted.x < p.classes;
    let chosen = select(0u, wanted.x, valid);
    let share = p.smoothing / f32(p.classes);
//#if BACKWARD
    let to = p.o_offset + row * p.classes;
    let scale = select(g[p.g_offset + row * p.g_stride], 0.0, ignored);
    var weights = 0.0;
//#if SMOOTH
    for (var i = local; i < p.classes; i += 256u) { weights += class_weight(i); }
    weights = reduce_sum(weights, local) * share;
//#endif
    let own = class_weight(chosen) * (1.0 - p.smoothing);
    for (var i = local; i < p.classes; i += 256u) {
        var d = 0.0;
//#if !NLL
        d = (own + weights) * exp_f32(x[base + i] - stats[row]);
//#endif
        d -= select(0.0, own, i == chosen);
//#if SMOOTH
        d -= share * class_weight(i);
//#endif
        out[to + i] = select(scale * d, 0.0, ignored);
    }
//#else
    var lse = 0.0;
//#if !NLL
    var top = -3.4028234e38;
    for (var i = local; i < p.classes; i += 256u) {
        let v = x[base + i];
        if (v > top) { top = v; }
    }
    top = reduce_max(top, local);
    var total = 0.0;
    for (var i = local; i < p.classes; i += 256u) { total += exp_f32(x[base + i] - top); }
    lse = top + log_f32(reduce_sum(total, local));
//#endif
    var smoothed = 0.0;
//#if SMOOTH
    for (var i = local; i < p.classes; i += 256u) { smoothed += class_weight(i) * (lse - x[base + i]); }
    smoothed = reduce_sum(smoothed, local) * share;
//#endif
    if (local == 0u) {
        stats[row] = lse;
        let w = class_weight(chosen);
        let loss = (1.0 - p.smoothing) * w * (lse - x[base + chosen]) + smoothed;
        out[p.o_offset + row] = select(vec2<f32>(select(nan(), loss, valid), w), vec2<f32>(), ignored);
    }
//#endif
}
