//! f32 hyperbolic functions and their inverses, the error function's complement and its inverse, for one number or a vector.
//! Coefficients are minimax fits of our own.
use super::lanes::Bits;
use super::single::{
    exp_less_one, exp_of, exp_reduced, exp_reduced_by, horner, log, log_split, log_sum, root_of, scaled,
};
use std::f64::consts::FRAC_2_SQRT_PI;

/// `exp(a) / 2` for `a >= 0`, which overflows only where it must.
#[inline(always)]
fn half_exp<V: Bits>(a: V) -> V {
    let (t, r) = exp_reduced(V::c(90.0).min(a));
    let root = root_of(t);
    exp_of(r) * root * (V::c(0.5) * root)
}

#[inline(always)]
pub fn sinh<V: Bits>(x: V) -> V {
    let a = x.abs();
    let z = a * a;
    let near = horner(z, [2.037_282_975e-4, 8.330_274_373e-3, 1.666_671_634e-1]).fma(z * a, a);
    let h = half_exp(a);
    V::select(a.lt(V::c(1.0)), near, h - V::c(0.25) / h).copysign(x)
}

#[inline(always)]
pub fn cosh<V: Bits>(x: V) -> V {
    let h = half_exp(x.abs());
    h + V::c(0.25) / h
}

/// `log(a + sqrt(a^2 + 1))`, with what the sum lost; a polynomial up to 1.
#[inline(always)]
pub fn asinh<V: Bits>(x: V) -> V {
    const P: [f64; 8] = [
        6.739_852_834e-4,
        -3.838_439_472e-3,
        1.043_084_357e-2,
        -1.918_206_736e-2,
        2.945_628_762e-2,
        -4.448_787_868e-2,
        7.498_715_818e-2,
        -1.666_662_991e-1,
    ];
    let (a, zero) = (x.abs(), V::c(0.0));
    let z = a * a;
    let near = horner(z, P).fma(z * a, a);
    let s = (z + V::c(1.0)).sqrt();
    let huge = V::c(1e10).lt(a); // the root is the number itself, and the sum may overflow
    let v = V::select(huge, a, a + s);
    let lost = V::select(huge, zero, a - (v - s));
    let (k, f) = log_split(v);
    let y = log_sum(k.int_to_float() + V::select(huge, V::c(1.0), zero), f, lost / v);
    let y = V::select(a.lt(V::c(f64::INFINITY)), y, a);
    V::select(a.lt(V::c(1.0)), near, y).copysign(x)
}

#[inline(always)]
pub fn atanh<V: Bits>(x: V) -> V {
    const P: [f64; 6] =
        [1.763_785_034e-1, 5.160_436_034e-2, 1.181_638_613e-1, 1.422_378_57e-1, 2.000_245_303e-1, 3.333_330_154e-1];
    let (a, one) = (x.abs(), V::c(1.0));
    let z = a * a;
    let near = horner(z, P).fma(z * a, a);
    let far = V::c(0.5) * log((one + a) / (one - a));
    V::select(a.lt(V::c(0.5)), near, far).copysign(x)
}

/// `exp(-a^2) p / d`, `p` a polynomial in `(a - 2) / (a + 2)`, `d = 1 + 2 a`. The square is taken of the leading bits, where
/// it is exact, and the rest of it joins the reduced argument; what `p`, `d` and their quotient lost is added at the end.
/// Around zero, where the polynomial's argument is not exact enough, it is 1 less the series of erf.
#[inline(always)]
pub fn erfc<V: Bits>(x: V) -> V {
    const P: [f64; 9] = [
        -4.023_060_028e-4,
        -1.234_143_041e-3,
        1.313_641_9e-3,
        8.637_120_947e-3,
        -8.058_498_614e-3,
        -5.420_668_423e-2,
        1.640_547_514e-1,
        -1.660_310_179e-1,
        -9.276_392_311e-2,
    ];
    let (one, two, first) = (V::c(1.0), V::c(2.0), V::c(1.276_978_374));
    let a = V::c(10.3).min(x.abs());
    let lead = a.and(V::bits(0xffff_f000));
    let (n, r) = exp_reduced_by(-(lead * lead), (a + lead) * (lead - a));
    let q = exp_less_one(r);
    let t = (a - two) / (a + two);
    let s = horner(t, P);
    let (p, d) = (s.fma(t, first), two.fma(a, one));
    let (p_rest, d_rest) = (s.fma(t, first - p), two.fma(a, one - d));
    let inverse = one / d;
    let y = p * inverse;
    let rest = ((-y).fma(d, p) + (p_rest - y * d_rest)) * inverse;
    let y = scaled(y + q.fma(y, q.fma(rest, rest)), n);
    let y = V::select(x.lt(V::c(0.0)), two - y, y);
    let near = (-x).fma(horner(x * x, [1.128_379_17e-1, -3.761_263_89e-1, FRAC_2_SQRT_PI]), one);
    V::select(a.lt(V::c(0.125)), near, y)
}

/// By `w = -log(1 - x^2)`, after Giles: `x` times a polynomial in `w` up to 5, in its root beyond.
#[inline(always)]
pub fn erfinv<V: Bits>(x: V) -> V {
    const NEAR: [f64; 9] = [
        -5.822_381_688e-9,
        1.558_652_087e-7,
        -1.382_538_471e-6,
        1.076_676_995e-6,
        5.281_184_713e-5,
        -1.411_367_848e-4,
        -2.321_698_237e-3,
        1.154_289_208e-2,
        2.320_148_2e-1,
    ];
    const FAR: [f64; 10] = [
        1.307_683_56e-4,
        -3.166_103_27e-4,
        -8.265_853_103e-5,
        1.492_943_498e-3,
        -3.581_569_53e-3,
        5.684_682_634e-3,
        -7.641_142_234e-3,
        9.445_348_755e-3,
        1.001_675_248,
        2.832_976_818,
    ];
    let a = x.abs();
    let rest = V::c(1.0) - a;
    let w = -log(rest.fma(a, rest));
    let near = horner(w, NEAR).fma(w, V::c(8.862_268_925e-1)) * x;
    let inside = w.lt(V::c(5.0));
    if V::all(inside) {
        return near;
    }
    let far = horner(w.sqrt() - V::c(3.0), FAR) * x;
    let far = V::select(a.lt(V::c(1.0)), far, w.copysign(x)); // infinite at one, NaN beyond
    V::select(inside, near, far)
}
