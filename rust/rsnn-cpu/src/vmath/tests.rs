//! Every f32 through every function, against libm in f64: a sample by default, all 2^32 with `RSNN_SWEEP=all`.
use super::each::{One, singly};
use super::*;

unsafe extern "C" {
    #[link_name = "erf"]
    safe fn c_erf(x: f64) -> f64;
    #[link_name = "erfc"]
    safe fn c_erfc(x: f64) -> f64;
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

/// `|got - want| / (1 + |want|)`, for functions that come close to zero by subtraction.
fn absolute(got: f32, want: f64) -> f64 {
    if got.is_nan() && want.is_nan() || got as f64 == want || got == want as f32 {
        return 0.0;
    }
    ((got as f64 - want) / (1.0 + want.abs())).abs()
}

const SPECIAL: [f32; 21] = [
    0.0,
    -0.0,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    -1.0,
    1.0,
    1e-45,
    -1e-45,
    88.72284,
    88.72283,
    -103.97,
    -103.98,
    -87.34,
    1e20,
    -1e20,
    1e4,
    -1e4,
];

/// The worst distance over the numbers that `keep` lets through, and where.
fn worst(
    f: &(dyn Fn(&[f32], &mut [f32]) + Sync),
    want: fn(f64) -> f64,
    distance: fn(f32, f64) -> f64,
    keep: fn(f32) -> bool,
) -> (f64, f32) {
    let all = std::env::var("RSNN_SWEEP").is_ok_and(|v| v == "all");
    let step = if all { 1 } else { 4099 };
    let part = |thread: u32| {
        let (mut worst, mut at) = (0.0, 0.0);
        let (mut x, mut y) = (Vec::with_capacity(4096), vec![0.0; 4096]);
        let mut bits = (thread as u64) << 31;
        let end = bits + (1 << 31);
        x.extend(SPECIAL.into_iter().filter(|x| keep(*x)));
        while bits < end || !x.is_empty() {
            while x.len() < 4096 && bits < end {
                let v = f32::from_bits(bits as u32);
                bits += step;
                if keep(v) {
                    x.push(v);
                }
            }
            f(&x, &mut y[..x.len()]);
            for (&x, &y) in x.iter().zip(&y) {
                let e = distance(y, want(x as f64));
                if e > worst || e.is_nan() {
                    (worst, at) = (e, x);
                }
            }
            x.clear();
        }
        (worst, at)
    };
    let (a, b) = std::thread::scope(|s| {
        let other = s.spawn(|| part(1));
        (part(0), other.join().unwrap_or((f64::INFINITY, 0.0)))
    });
    if a.0 > b.0 { a } else { b }
}

fn check<M: Map1>(
    name: &str,
    m: M,
    want: fn(f64) -> f64,
    distance: fn(f32, f64) -> f64,
    bound: f64,
    keep: fn(f32) -> bool,
) {
    let best = worst(&|x, y| map1(m, x, y), want, distance, keep);
    let plain = worst(&|x, y| singly::<f32, _>(One(m, x, y)), want, distance, keep);
    println!("{name:16} {:10.4e} at {:e}; portable {:10.4e} at {:e}", best.0, best.1, plain.0, plain.1);
    assert!(best.0 <= bound && plain.0 <= bound, "{name}: {best:?}, portable {plain:?}, bound {bound}");
}

macro_rules! sweep {
    ($distance:ident: $($test:ident $m:ident $bound:literal $want:expr, $keep:expr;)*) => { $(
        #[test]
        fn $test() {
            check(stringify!($test), $m, $want, $distance, $bound, $keep);
        }
    )* };
}
/// Names for the functions that no kernel asks for by name.
macro_rules! named {
    ($($name:ident $f:ident;)*) => { $(
        #[derive(Clone, Copy)]
        struct $name;
        impl Map1 for $name {
            fn apply<V: Lanes>(self, x: V) -> V {
                x.$f()
            }
        }
    )* };
}
named! {
    ExpNeg exp_neg;
    Exp2 exp2;
    Log2 log2;
    Log10 log10;
    Sin sin;
    Cos cos;
    Tan tan;
    Asin asin;
    Acos acos;
    Atan atan;
    Sinh sinh;
    Cosh cosh;
    Asinh asinh;
    Atanh atanh;
    Erfc erfc;
    Erfinv erfinv;
}

sweep! { ulp:
    exp2 Exp2 2.0 f64::exp2, |_| true;
    log2 Log2 2.0 f64::log2, |_| true;
    log10 Log10 2.0 f64::log10, |_| true;
    sin Sin 2.0 f64::sin, |_| true;
    cos Cos 2.0 f64::cos, |_| true;
    tan Tan 2.0 f64::tan, |_| true;
    asin Asin 2.0 f64::asin, |_| true;
    acos Acos 2.0 f64::acos, |_| true;
    atan Atan 2.0 f64::atan, |_| true;
    sinh Sinh 2.0 f64::sinh, |_| true;
    cosh Cosh 2.0 f64::cosh, |_| true;
    asinh Asinh 2.0 f64::asinh, |_| true;
    atanh Atanh 2.0 f64::atanh, |_| true;
    erfc Erfc 2.5 |x| c_erfc(x), |_| true;
    erfinv Erfinv 2.5 |x| erfinv_of(x, 1.0 - x.abs()), |_| true;
    exp Exp 1.8 f64::exp, |_| true;
    expm1 Expm1 2.0 f64::exp_m1, |_| true;
    log Log 1.0 f64::ln, |_| true;
    log1p Log1p 2.0 f64::ln_1p, |_| true;
    tanh Tanh 2.0 f64::tanh, |_| true;
    erf Erf 2.0 |x| c_erf(x), |_| true;
    sigmoid Sigmoid 2.5 sigmoid_f64, |_| true;
    softplus Softplus 2.0 softplus_f64, |x| x > -87.0 || x.is_nan();
    silu Silu 3.0 |x| x * sigmoid_f64(x), |x| x > -87.0;
    mish Mish 4.5 mish_f64, |x| x > -87.0;
}
sweep! { absolute:
    gelu Gelu 1.5e-7 gelu_f64, |_| true;
    gelu_tanh GeluTanh 1.5e-7 gelu_tanh_f64, |_| true;
    gelu_grad GeluGrad 2e-7 gelu_grad_f64, f32::is_finite;
    gelu_tanh_grad GeluTanhGrad 6e-7 gelu_tanh_grad_f64, f32::is_finite;
    silu_grad SiluGrad 3e-7 silu_grad_f64, f32::is_finite;
    mish_grad MishGrad 3e-7 mish_grad_f64, f32::is_finite;
}

fn sigmoid_f64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
fn softplus_f64(x: f64) -> f64 {
    if x > 40.0 { x } else { x.exp().ln_1p() }
}
fn mish_f64(x: f64) -> f64 {
    x * softplus_f64(x).tanh()
}
fn mish_grad_f64(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let t = softplus_f64(x).tanh();
    t + x * (1.0 - t * t) * sigmoid_f64(x)
}
fn gelu_f64(x: f64) -> f64 {
    0.5 * x * c_erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}
fn gelu_grad_f64(x: f64) -> f64 {
    let x = x.clamp(-40.0, 40.0);
    0.5 * c_erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * (-0.5 * x * x).exp() * 0.3989422804014327
}
fn gelu_tanh_f64(x: f64) -> f64 {
    x * sigmoid_f64(2.0 * 0.7978845608028654 * (x + 0.044715 * x * x * x))
}
fn gelu_tanh_grad_f64(x: f64) -> f64 {
    let x = x.clamp(-40.0, 40.0);
    let u = 2.0 * 0.7978845608028654 * (x + 0.044715 * x * x * x);
    let s = sigmoid_f64(u);
    s + x * s * sigmoid_f64(-u) * 2.0 * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x)
}
fn silu_grad_f64(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    sigmoid_f64(x) * (1.0 + x * sigmoid_f64(-x))
}

#[test]
fn exp_neg() {
    check("exp_neg", ExpNeg, f64::exp, ulp, 1.5, |x| x.is_nan() || (-87.3..=80.0).contains(&x));
    let mut y = [1.0; 3];
    map1(ExpNeg, &[-88.0, -1e30, f32::NEG_INFINITY], &mut y);
    assert_eq!(y, [0.0; 3]);
    assert_eq!([-88.0f32, -1e30, f32::NEG_INFINITY].map(Real::exp_neg), [0.0; 3]);
}

#[derive(Clone, Copy)]
struct Exp2Neg;
impl Map1 for Exp2Neg {
    fn apply<V: Lanes>(self, x: V) -> V {
        x.exp2_neg()
    }
}

#[test]
fn exp2_neg() {
    check("exp2_neg", Exp2Neg, f64::exp2, ulp, 1.8, |x| x.is_nan() || (-126.0..=80.0).contains(&x));
    let mut y = [1.0; 4];
    map1(Exp2Neg, &[-127.5, -1e30, f32::NEG_INFINITY, 0.0], &mut y);
    assert_eq!(y, [0.0, 0.0, 0.0, 1.0]);
    let mut y = [1.0; 4];
    map1(Exp2Neg, &[-1080.0, -1e300, f64::NEG_INFINITY, 0.0], &mut y);
    assert_eq!(y, [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn signs_of_zero() {
    fn keeps<M: Map1>(m: M) {
        for x in [[0.0f32], [-0.0]] {
            let (mut y, mut z) = ([1.0], [1.0]);
            map1(m, &x, &mut y);
            singly::<f32, _>(One(m, &x, &mut z));
            assert_eq!((x[0].to_bits(), x[0].to_bits()), (y[0].to_bits(), z[0].to_bits()));
        }
    }
    keeps(Tanh);
    keeps(Erf);
    keeps(Expm1);
    keeps(Log1p);
    keeps(Silu);
    keeps(GeluTanh);
    keeps(Sin);
    keeps(Tan);
    keeps(Asin);
    keeps(Atan);
    keeps(Sinh);
    keeps(Asinh);
    keeps(Atanh);
    keeps(Erfinv);
}

/// Where torch gives NaN at minus infinity, so do these.
#[test]
fn activations_at_infinity() {
    fn at<M: Map1>(m: M) -> [f32; 2] {
        let mut y = [0.0; 2];
        map1(m, &[f32::INFINITY, f32::NEG_INFINITY], &mut y);
        y
    }
    for [up, down] in [at(Gelu), at(GeluTanh), at(Silu), at(Mish)] {
        assert!(up == f32::INFINITY && down.is_nan());
    }
    assert_eq!((at(Tanh), at(Sigmoid), at(Softplus)), ([1.0, -1.0], [1.0, 0.0], [f32::INFINITY, 0.0]));
}

#[test]
fn lengths_and_positions_do_not_matter() {
    let x: Vec<f32> = (0..200).map(|i| i as f32 * 0.07 - 7.0).collect();
    let mut whole = vec![0.0; 200];
    map1(Gelu, &x, &mut whole);
    for n in [0, 1, 7, 31, 32, 33, 64, 95, 199] {
        for start in [0, 1, 5] {
            let end = (start + n).min(200);
            let mut y = vec![0.0; end - start];
            map1(Gelu, &x[start..end], &mut y);
            assert_eq!(y, whole[start..end]);
        }
    }
}

/// Formulas in f64 against libm.
#[test]
fn double_precision() {
    fn close<M: Map1>(m: M, want: fn(f64) -> f64) {
        let x: Vec<f64> = (-400..=400).map(|i| i as f64 * 0.05 + 0.003).collect();
        let mut y = vec![0.0; x.len()];
        map1(m, &x, &mut y);
        for (x, y) in x.iter().zip(&y) {
            assert!((y - want(*x)).abs() <= 4e-15 * (1.0 + want(*x).abs()), "{x} {y} {}", want(*x));
        }
    }
    close(Gelu, gelu_f64);
    close(GeluGrad, gelu_grad_f64);
    close(GeluTanh, gelu_tanh_f64);
    close(GeluTanhGrad, gelu_tanh_grad_f64);
    close(Silu, |x| x * sigmoid_f64(x));
    close(SiluGrad, silu_grad_f64);
    close(Mish, mish_f64);
    close(MishGrad, mish_grad_f64);
    close(Softplus, softplus_f64);
    close(Erf, |x| c_erf(x));
    close(Tanh, f64::tanh);
    close(Exp2Neg, f64::exp2);
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

/// What must come out exactly, in vectors and portably.
#[test]
fn exact_results() {
    fn gives<M: Map1>(m: M, x: &[f32], want: &[f32]) {
        let (mut y, mut z) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        map1(m, x, &mut y);
        singly::<f32, _>(One(m, x, &mut z));
        assert_eq!((&y[..], &z[..]), (want, want));
    }
    let n: Vec<f32> = (-149..128).map(|n| n as f32).collect();
    let powers: Vec<f32> = (-149..128).map(|n| 2f64.powi(n) as f32).collect();
    gives(Exp2, &n, &powers);
    gives(Log2, &powers, &n);
    gives(Cos, &[0.0, -0.0], &[1.0, 1.0]);
    gives(Cosh, &[0.0, -0.0], &[1.0, 1.0]);
    gives(Acos, &[1.0], &[0.0]);
    gives(Erfc, &[0.0, -0.0, -10.0, f32::NEG_INFINITY, f32::INFINITY], &[1.0, 1.0, 2.0, 2.0, 0.0]);
    gives(Log10, &[1.0, 10.0, 100.0, 1000.0, 1e10], &[0.0, 1.0, 2.0, 3.0, 10.0]);
    // No sine or cosine beyond one.
    let x: Vec<f32> = (0..200_000).map(|i| i as f32 * 0.001).collect();
    let mut y = vec![0.0; x.len()];
    for i in 0..4 {
        match i {
            0 => map1(Sin, &x, &mut y),
            1 => map1(Cos, &x, &mut y),
            2 => singly::<f32, _>(One(Sin, &x, &mut y)),
            _ => singly::<f32, _>(One(Cos, &x, &mut y)),
        }
        assert!(y.iter().all(|y| y.abs() <= 1.0));
    }
}

/// Special values with each other, and numbers of any size with numbers of any size and of about their own.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for a in SPECIAL {
        for b in SPECIAL {
            x.push(a);
            y.push(b);
        }
    }
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    for i in 0..200_000 {
        let a = next();
        x.push(f32::from_bits(a));
        y.push(f32::from_bits(if i % 2 == 0 { next() } else { a ^ (next() & 0x85ff_ffff) }));
    }
    (x, y)
}

fn of_pairs<M: Map2>(m: M, x: &[f32], y: &[f32]) -> [Vec<f32>; 2] {
    let mut out = [vec![0.0; x.len()], vec![0.0; x.len()]];
    map2(m, x, y, &mut out[0]);
    for ((out, x), y) in out[1].iter_mut().zip(x).zip(y) {
        *out = m.apply(*x, *y);
    }
    out
}

#[test]
fn angles() {
    let (x, y) = pairs();
    for out in of_pairs(Atan2, &x, &y) {
        for ((out, x), y) in out.iter().zip(&x).zip(&y) {
            let want = (*x as f64).atan2(*y as f64);
            assert!(ulp(*out, want) <= 2.0, "{x:e} {y:e} {out:e} {want:e}");
            assert!(out.is_nan() || out.is_sign_negative() == want.is_sign_negative(), "{x} {y}");
        }
    }
}

#[test]
fn remainders_are_exact() {
    let (x, y) = pairs();
    for out in of_pairs(Fmod, &x, &y) {
        for ((out, x), y) in out.iter().zip(&x).zip(&y) {
            let want = x % y;
            assert!(out.to_bits() == want.to_bits() || out.is_nan() && want.is_nan(), "{x:e} {y:e} {out:e} {want:e}");
        }
    }
}

#[test]
fn lengths() {
    let (x, y) = pairs();
    for out in of_pairs(Hypot, &x, &y) {
        for ((out, x), y) in out.iter().zip(&x).zip(&y) {
            let want = (*x as f64).hypot(*y as f64);
            assert!(ulp(*out, want) <= 2.1, "{x:e} {y:e} {out:e} {want:e}");
        }
    }
}

#[test]
fn remainders_have_the_sign_of_the_divisor() {
    let (x, y) = ([7.0f32, -7.0, 7.0, -7.0, 6.0, -6.0], [3.0, 3.0, -3.0, -3.0, -3.0, 3.0]);
    for out in of_pairs(Remainder, &x, &y) {
        assert_eq!(out, [1.0, 2.0, -2.0, -1.0, 0.0, 0.0]);
        assert!(out[5].is_sign_negative() && !out[4].is_sign_negative());
    }
}
