// One optimizer step on a dense parameter, in place. ADAM (with AMSGRAD; DECOUPLED for AdamW) or SGD with momentum.
//#include index
struct P {
    n: u32, offset: u32, g_offset: u32, first: u32,
    lr: f32, weight_decay: f32, beta1: f32, beta2: f32,
    eps: f32, correction1: f32, correction2_sqrt: f32, sign: f32,
}
${PARAMS} p: P;
@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> grad: array<f32>;
//#if ADAM
@group(0) @binding(2) var<storage, read_write> exp_avg: array<f32>;
@group(0) @binding(3) var<storage, read_write> exp_avg_sq: array<f32>;
//#if AMSGRAD
@group(0) @binding(4) var<storage, read_write> max_exp_avg_sq: array<f32>;
//#endif
//#else
//#if MOMENTUM
@group(0) @binding(2) var<storage, read_write> momentum_buffer: array<f32>;
//#endif
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, local);
    if (i >= p.n) { return; }
    var w = param[p.offset + i];
    var g = grad[p.g_offset + i] * p.sign;
//#if DECOUPLED
    w = w * (1.0 - p.lr * p.weight_decay);
//#else
    g = g + p.weight_decay * w;
//#endif
//#if ADAM
    let m = exp_avg[i] + (g - exp_avg[i]) * (1.0 - p.beta1);
    let v = p.beta2 * exp_avg_sq[i] + (1.0 - p.beta2) * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    var largest = v;
//#if AMSGRAD
    largest = select(max_exp_avg_sq[i], v, v > max_exp_avg_sq[i]);
    max_exp_avg_sq[i] = largest;
//#endif
    w = w - p.lr / p.correction1 * (m / (sqrt(largest) / p.correction2_sqrt + p.eps));
//#else
    // beta1 is the momentum, beta2 one minus the dampening.
//#if MOMENTUM
    var velocity = g;
    if (p.first == 0u) { velocity = p.beta1 * momentum_buffer[i] + p.beta2 * g; }
    momentum_buffer[i] = velocity;
//#if NESTEROV
    g = g + p.beta1 * velocity;
//#else
    g = velocity;
//#endif
//#endif
    w = w - p.lr * g;
//#endif
    param[p.offset + i] = w;
}
