// softmax and (LOG) log_softmax of dense rows, one workgroup per row; BACKWARD gives dx from y and g.
// A row holding NaN or +inf, or only -inf, is NaN throughout, as the formula says.
//#include prelude
//#include index
//#include reduce
struct P { rows: u32, dim: u32, x_offset: u32, g_offset: u32, o_offset: u32 }
${PARAMS} p: P;
// Forward: the input. Backward: the saved result.
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
//#if BACKWARD
@group(0) @binding(2) var<storage, ${READ}> g: array<f32>;
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = flat_group(group, groups);
    // The same for the whole workgroup, so the barriers below stay uniform.
    if (row >= p.rows) { return; }
    let base = row * p.dim;
//#if BACKWARD
    var dot = 0.0;
    for (var i = local; i < p.dim; i += 256u) {
        let at = base + i;
//#if LOG
        dot += g[p.g_offset + at];
//#else
        dot += g[p.g_offset + at] * x[p.x_offset + at];
//#endif
    }
    dot = reduce_sum(dot, local);
    for (var i = local; i < p.dim; i += 256u) {
        let at = base + i;
//#if LOG
        out[p.o_offset + at] = g[p.g_offset + at] - exp_f32(x[p.x_offset + at]) * dot;
//#else
        out[p.o_offset + at] = x[p.x_offset + at] * (g[p.g_offset + at] - dot);
//#endif
    }
//#else
    var top = -3.4028234e38;
    var bad = 0.0;
    var finite = 0.0;
    for (var i = local; i < p.dim; i += 256u) {
        let v = x[p.x_offset + base + i];
        let infinite = is_inf(v);
        if (is_nan(v) || (infinite && v > 0.0)) { bad = 1.0; }
        else if (!infinite) {
            finite = 1.0;
            if (v > top) { top = v; }
        }
    }
    let flags = reduce_sum2(vec2<f32>(bad, finite), local);
    top = reduce_max(top, local);
    if (flags.x > 0.0 || flags.y == 0.0) {
        for (var i = local; i < p.dim; i += 256u) { out[p.o_offset + base + i] = nan(); }
        return;
    }
    var total = 0.0;
    for (var i = local; i < p.dim; i += 256u) { total += exp_f32(x[p.x_offset + base + i] - top); }
    total = reduce_sum(total, local);
//#if LOG
    let log_total = log_f32(total);
    for (var i = local; i < p.dim; i += 256u) {
        let at = base + i;
        out[p.o_offset + at] = (x[p.x_offset + at] - top) - log_total;
    }
//#else
    let scale = 1.0 / total;
    for (var i = local; i < p.dim; i += 256u) {
        let at = base + i;
        out[p.o_offset + at] = exp_f32(x[p.x_offset + at] - top) * scale;
    }
//#endif
//#endif
}
