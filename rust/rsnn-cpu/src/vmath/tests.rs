use super::{Real, map};

unsafe extern "C" {
    #[link_name = "erf"]
    safe fn c_erf(x: f64) -> f64;
    safe fn erfc(x: f64) -> f64;
}

/// Distance from `got` to `want` in units of the f32 spacing at `want`.
fn ulp(got: f32, want: f64) -> f64 {
    let w = want as f32;
    if w.is_nan() || w.is_infinite() || got.is_nan() || got.is_infinite() {
        return if (w.is_nan() && got.is_nan()) || w == got { 0.0 } else { f64::INFINITY };
    }
    let spacing = f32::from_bits((w.abs().to_bits() + 1).min(0x7f7f_ffff)) as f64 - w.abs() as f64;
    ((got as f64 - want) / spacing.max(1e-46)).abs()
}

/// Every 37th bit pattern and the special ones, through the vectorised loop.
fn inputs() -> Vec<f32> {
    let mut x: Vec<f32> = (0..=u32::MAX / 37).map(|i| f32::from_bits(i * 37)).collect();
    x.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -1.0, 1.0]);
    x.extend([1e-45, -1e-45, 88.72284, 88.72283, -103.97, -103.98, -87.34]);
    x
}

fn check(name: &str, bound: f64, f: fn(&[f32], &mut [f32]), want: fn(f64) -> f64) {
    let x = inputs();
    let mut y = vec![0.0; x.len()];
    f(&x, &mut y);
    let (mut worst, mut at) = (0.0, 0.0);
    for (&x, &y) in x.iter().zip(&y) {
        let w = want(x as f64);
        let e = ulp(y, w);
        if e > worst {
            (worst, at) = (e, x);
        }
        if w == 0.0 && x == 0.0 {
            assert_eq!(y.is_sign_negative(), w.is_sign_negative(), "{name}: sign of {x:?}");
        }
    }
    println!("{name}: {worst:.3} ULP at {at:e}");
    assert!(worst <= bound, "{name}: {worst} ULP at {at:e} ({:#x})", at.to_bits());
}

macro_rules! ulp_test {
    ($($name:ident $bound:literal $want:expr;)*) => { $(
        #[test]
        fn $name() {
            check(stringify!($name), $bound, |x, y| map(x, y, #[inline(always)] |v| Real::$name(v)), $want);
        }
    )* };
}
ulp_test! {
    exp 2.0 f64::exp;
    expm1 2.0 f64::exp_m1;
    log 2.0 f64::ln;
    log1p 2.0 f64::ln_1p;
    tanh 2.0 f64::tanh;
    erf 2.0 |x| c_erf(x);
    sigmoid 2.0 |x| 1.0 / (1.0 + (-x).exp());
    sin 2.0 f64::sin;
    cos 2.0 f64::cos;
}

fn gelu_f64(x: f64) -> f64 {
    0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}
fn gelu_grad_f64(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * (-0.5 * x * x).exp() * 0.3989422804014327
}
fn gelu_tanh_f64(x: f64) -> f64 {
    0.5 * x * (1.0 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh())
}
fn gelu_tanh_grad_f64(x: f64) -> f64 {
    let t = (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh();
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x)
}
fn silu_f64(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}
fn silu_grad_f64(x: f64) -> f64 {
    let s = 1.0 / (1.0 + (-x).exp());
    s * (1.0 + x * (1.0 - s))
}

/// Error bounded by `abs + rel * |want|` on [-30, 30], and finite where f32 is.
fn close(name: &str, f: fn(&[f32], &mut [f32]), want: fn(f64) -> f64) {
    let x: Vec<f32> = (-300_000..=300_000).map(|i| i as f32 * 1e-4 + 3e-6).collect();
    let mut y = vec![0.0; x.len()];
    f(&x, &mut y);
    let (mut worst, mut at) = (0.0f64, 0.0);
    for (&x, &y) in x.iter().zip(&y) {
        let w = want(x as f64);
        let e = (y as f64 - w).abs() / (1.0 + w.abs());
        if e > worst {
            (worst, at) = (e, x);
        }
    }
    println!("{name}: {worst:e} at {at}");
    assert!(worst < 2e-7, "{name}: {worst:e}");
    let wide = [1e4f32, 1e20, f32::MAX, -1e4, -1e20, -f32::MAX, f32::NAN, 0.0, -0.0];
    let mut y = [0f32; 9];
    f(&wide, &mut y);
    let right = |y: f32, one: f32, x: f32| y == one || y == x;
    assert!(right(y[0], 1.0, 1e4) && right(y[1], 1.0, 1e20) && right(y[2], 1.0, f32::MAX), "{name}: {y:?}");
    assert!(y[3] == 0.0 && y[4] == 0.0 && y[5] == 0.0 && y[6].is_nan(), "{name}: {y:?}");
}

macro_rules! close_test {
    ($($name:ident $want:ident;)*) => { $(
        #[test]
        fn $name() {
            close(stringify!($name), |x, y| map(x, y, #[inline(always)] |v| Real::$name(v)), $want);
            for i in -400..=400 {
                let x = i as f64 * 0.05;
                let (y, w) = (Real::$name(x), $want(x));
                assert!((y - w).abs() <= 4e-15 * (1.0 + w.abs()), "{}: f64 {x} {y} {w}", stringify!($name));
            }
        }
    )* };
}
close_test! {
    gelu gelu_f64;
    gelu_grad gelu_grad_f64;
    gelu_tanh gelu_tanh_f64;
    gelu_tanh_grad gelu_tanh_grad_f64;
    silu silu_f64;
    silu_grad silu_grad_f64;
}

#[test]
fn exp_neg() {
    check(
        "exp_neg",
        2.0,
        |x, y| {
            map(
                x,
                y,
                #[inline(always)]
                |v| Real::exp_neg(if (-87.0..=80.0).contains(&v) { v } else { 0.0 }),
            )
        },
        |x| {
            if (-87.0..=80.0).contains(&x) { x.exp() } else { 1.0 }
        },
    );
    for x in [-87.5f32, -1e30, f32::NEG_INFINITY] {
        assert_eq!(Real::exp_neg(x), 0.0);
    }
}

#[test]
fn double_exp() {
    let mut x: Vec<f64> = (-7460..7110).map(|i| i as f64 * 0.1 + 0.0123).collect();
    x.extend([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1e-300, 709.78, -745.13]);
    for x in x {
        let (y, w) = (Real::exp(x), x.exp());
        assert!(y == w || ((y - w) / w).abs() <= 4.5e-16 || (y - w).abs() <= 5e-324, "{x} {y:e} {w:e}");
    }
    assert!(Real::exp(f64::NAN).is_nan());
}
