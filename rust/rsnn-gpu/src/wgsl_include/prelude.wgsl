// Number tests work on bits: compilers may assume that neither NaN nor infinity occurs.
fn from_bits(bits: u32) -> f32 { return bitcast<f32>(bits); }
fn nan() -> f32 { return from_bits(0x7fc00000u); }
fn inf() -> f32 { return from_bits(0x7f800000u); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn is_inf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }
fn copy_sign(magnitude: f32, sign: f32) -> f32 {
    return from_bits((bitcast<u32>(magnitude) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}

// The built-in max and min drop NaN; these return it.
fn maximum(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    return select(b, a, a > b);
}
fn minimum(a: f32, b: f32) -> f32 {
    if (is_nan(a)) { return a; }
    if (is_nan(b)) { return b; }
    return select(b, a, a < b);
}
fn clamp_f32(x: f32, low: f32, high: f32) -> f32 { return select(select(x, high, x > high), low, x < low); }

// exp by x = n ln 2 + r; ln 2 in two parts so that n times the first is exact.
fn exp_f32(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    if (x > 88.722839) { return inf(); }
    if (x < -87.336544) { return 0.0; }
    let n = floor(x * 1.44269504 + 0.5);
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    let poly = 0.500000009 + r * (0.166665195 + r * (0.0416662087 + r * (0.00836883115 + r * 0.00139503505)));
    let y = 1.0 + (r + r * r * poly);
    let half = i32(n) >> 1u;
    return y * from_bits(u32(half + 127) << 23u) * from_bits(u32(i32(n) - half + 127) << 23u);
}

fn expm1_f32(x: f32) -> f32 {
    if (!(abs(x) < 0.4)) { return exp_f32(x) - 1.0; }
    let poly = 0.5 + x * (0.166666667 + x * (0.0416666667 + x * (0.00833333333 + x * (0.00138888889 + x * 1.98412698e-4))));
    return x + x * x * poly;
}

// log(1 + x) for x in [-0.293, 0.4143].
fn log1p_small(x: f32) -> f32 {
    let poly = 0.333333118 + x * (-0.249999869 + x * (0.200021524 + x * (-0.166691953 + x * (0.142198959
        + x * (-0.123858270 + x * (0.118662466 + x * (-0.117795621 + x * 0.0691733703)))))));
    return x - (0.5 * x * x - x * x * x * poly);
}

fn log_f32(x: f32) -> f32 {
    if (is_nan(x) || x < 0.0) { return nan(); }
    if (x == 0.0) { return -inf(); }
    if (is_inf(x)) { return x; }
    let bits = bitcast<u32>(x);
    var e = i32(bits >> 23u) - 127;
    var m = from_bits((bits & 0x007fffffu) | 0x3f800000u);
    if (m > 1.41421356) { m = m * 0.5; e = e + 1; }
    let n = f32(e);
    return (log1p_small(m - 1.0) - n * 2.12194440e-4) + n * 0.693359375;
}

fn log1p_f32(x: f32) -> f32 {
    if (x > -0.29 && x < 0.41) { return log1p_small(x); }
    return log_f32(1.0 + x);
}

fn tanh_f32(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a < 0.625) {
        let s = x * x;
        return x + x * s * (-0.333329871 + s * (0.133239840 + s * (-0.0531602636 + s * (0.0188773742 - s * 0.00386688681))));
    }
    if (a > 10.0) { return copy_sign(1.0, x); }
    return copy_sign(1.0 - 2.0 / (exp_f32(2.0 * a) + 1.0), x);
}

fn sigmoid_f32(x: f32) -> f32 {
    let e = exp_f32(-abs(x));
    return select(1.0, e, x < 0.0) / (1.0 + e);
}

// Absolute error below 1e-7.
fn erf_f32(x: f32) -> f32 {
    if (is_nan(x)) { return x; }
    let a = abs(x);
    if (a < 1.0) {
        let s = x * x;
        return x + x * (0.128379166 + s * (-0.376126271 + s * (0.112836002 + s * (-0.0268544447
            + s * (0.00518953548 + s * (-8.02084192e-4 + s * 7.88912007e-5))))));
    }
    if (a > 4.0) { return copy_sign(1.0, x); }
    let q = -1.12859958 + a * (-0.635410131 + a * (-0.105669038 + a * (0.0230916183 + a * (-0.00318200150
        + a * (1.38744769e-4 + a * (2.84363012e-5 - a * 3.55708078e-6))))));
    return copy_sign(1.0 - exp_f32(a * q), x);
}
