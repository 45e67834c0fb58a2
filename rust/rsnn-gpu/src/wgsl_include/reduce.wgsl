// Tree reductions over a workgroup of 256; every invocation calls them and gets the result.
// The leading barrier keeps a second call from overwriting what the first still reads.
var<workgroup> reduce_scratch: array<vec2<f32>, 256>;

fn reduce_sum2(value: vec2<f32>, local: u32) -> vec2<f32> {
    workgroupBarrier();
    reduce_scratch[local] = value;
    workgroupBarrier();
    for (var step = 128u; step > 0u; step = step >> 1u) {
        if (local < step) {
            reduce_scratch[local] = reduce_scratch[local] + reduce_scratch[local + step];
        }
        workgroupBarrier();
    }
    return reduce_scratch[0];
}
fn reduce_sum(value: f32, local: u32) -> f32 { return reduce_sum2(vec2<f32>(value, 0.0), local).x; }

// Ordered compares only; the caller carries NaN itself.
fn reduce_max(value: f32, local: u32) -> f32 {
    workgroupBarrier();
    reduce_scratch[local] = vec2<f32>(value, 0.0);
    workgroupBarrier();
    for (var step = 128u; step > 0u; step = step >> 1u) {
        if (local < step) {
            let a = reduce_scratch[local].x;
            let b = reduce_scratch[local + step].x;
            reduce_scratch[local].x = select(a, b, b > a);
        }
        workgroupBarrier();
    }
    return reduce_scratch[0].x;
}
