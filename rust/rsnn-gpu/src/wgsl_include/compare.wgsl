// Ordered and unordered tests that hold for NaN whatever the compiler assumes.
fn eq_f32(a: f32, b: f32) -> bool { return !(is_nan(a) || is_nan(b)) && a == b; }
fn lt_f32(a: f32, b: f32) -> bool { return !(is_nan(a) || is_nan(b)) && a < b; }
fn le_f32(a: f32, b: f32) -> bool { return !(is_nan(a) || is_nan(b)) && a <= b; }
fn not_zero_f32(a: f32) -> bool { return (bitcast<u32>(a) & 0x7fffffffu) != 0u; }
// int64 as (low, high) words.
fn eq_i64(a: vec2<u32>, b: vec2<u32>) -> bool { return a.x == b.x && a.y == b.y; }
fn lt_i64(a: vec2<u32>, b: vec2<u32>) -> bool {
    let ah = bitcast<i32>(a.y);
    let bh = bitcast<i32>(b.y);
    return ah < bh || (ah == bh && a.x < b.x);
}
// Python's remainder: the sign of b.
fn fmod_f32(a: f32, b: f32) -> f32 {
    if (is_nan(a) || is_nan(b) || is_inf(a) || b == 0.0) { return nan(); }
    if (is_inf(b)) { return a; }
    return a - b * trunc(a / b);
}
fn remainder_f32(a: f32, b: f32) -> f32 {
    let r = fmod_f32(a, b);
    return select(r, r + b, r != 0.0 && ((r < 0.0) != (b < 0.0)));
}
fn floor_divide_f32(a: f32, b: f32) -> f32 {
    if (b == 0.0 || is_inf(a) || is_nan(a) || is_nan(b)) { return a / b; }
    return floor(a / b);
}
fn hypot_f32(a: f32, b: f32) -> f32 {
    if (is_inf(a)) { return abs(a); }
    if (is_inf(b)) { return abs(b); }
    let most = maximum(abs(a), abs(b));
    let ratio = minimum(abs(a), abs(b)) / select(most, 1.0, most == 0.0);
    return most * sqrt(1.0 + ratio * ratio);
}
fn pow_f32(a: f32, b: f32) -> f32 {
    if (b == 0.0 || a == 1.0) { return 1.0; }
    if (is_nan(a) || is_nan(b)) { return nan(); }
    if (b == 1.0) { return a; }
    if (b == 2.0) { return a * a; }
    if (b == 3.0) { return a * a * a; }
    if (b == 0.5 && a >= 0.0) { return sqrt(a); }
    if (b == -1.0) { return 1.0 / a; }
    let odd = abs(b) < 16777216.0 && floor(b) == b && floor(b * 0.5) * 2.0 != b;
    let size = abs(a);
    var y = 0.0;
    if (is_inf(b)) {
        if (size == 1.0) { return 1.0; }
        y = select(0.0, inf(), (size > 1.0) == (b > 0.0));
    } else if (size == 0.0) { y = select(0.0, inf(), b < 0.0); }
    else if (is_inf(a)) { y = select(inf(), 0.0, b < 0.0); }
    else {
        if (a < 0.0 && floor(b) != b) { return nan(); }
        y = pow(size, b);
    }
    return select(y, -y, odd && (bitcast<u32>(a) >> 31u) == 1u);
}
