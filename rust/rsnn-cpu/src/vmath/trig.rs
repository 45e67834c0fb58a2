//! f32 trigonometry, for one number or a vector. Coefficients are minimax fits of our own.
use super::lanes::Bits;
use super::single::{MAGIC, horner};
use std::f64::consts::{FRAC_1_PI, FRAC_2_PI, FRAC_PI_2, PI};

/// `pi / 2` in four parts. The first three have at most 11 bits, so that their products with a multiple below 2^13 are
/// exact without fused operations too.
const QUARTERS: [f64; 4] = [1.570_312_5, 4.837_512_969_970_703e-4, 7.549_533_620_476_672e-8, 2.563_344_151_59e-12];
/// Beyond it (and for what is not finite) the lanes go through libm.
const REDUCED: f64 = 12_000.0;

/// `a - q pi / 2`: the number and what its rounding lost.
#[inline(always)]
fn less_quarters<V: Bits>(a: V, q: V) -> (V, V) {
    let [first, second, third, fourth] = QUARTERS.map(|part| V::c(-part));
    let exact = q.fma(second, q.fma(first, a));
    let r = q.fma(third, exact);
    (r, q.fma(fourth, q.fma(third, exact - r)))
}

/// `y`, except where the argument is too large for the reduction.
#[inline(always)]
fn or_libm<V: Bits>(x: V, y: V, f: fn(f32) -> f32) -> V {
    let near = x.abs().lt(V::c(REDUCED));
    if V::all(near) { y } else { V::select(near, y, x.lanewise(f)) }
}

/// `sin(a - q pi / 2)` within `pi / 2` of zero.
#[inline(always)]
fn half_wave<V: Bits>(a: V, q: V) -> V {
    let (r, rest) = less_quarters(a, q);
    let r = r + rest;
    let z = r * r;
    horner(z, [2.606_074_759e-6, -1.980_977_249e-4, 8.333_069_272e-3, -1.666_665_971e-1]).fma(z * r, r)
}

#[inline(always)]
pub fn sin<V: Bits>(x: V) -> V {
    let a = x.abs();
    let t = a.fma(V::c(FRAC_1_PI), V::c(MAGIC));
    let n = t - V::c(MAGIC);
    let y = half_wave(a, n + n);
    or_libm(x, y.xor(t.shl::<31>()).xor(x.and(V::c(-0.0))), f32::sin)
}

/// The wave is shifted: `cos(r + pi / 2) = -sin(r)`.
#[inline(always)]
pub fn cos<V: Bits>(x: V) -> V {
    let a = x.abs();
    let t = a.fma(V::c(FRAC_1_PI), V::c(-0.5)) + V::c(MAGIC);
    let n = t - V::c(MAGIC);
    let y = half_wave(a, n + n + V::c(1.0));
    or_libm(x, (-y).xor(t.shl::<31>()), f32::cos)
}

#[inline(always)]
pub fn tan<V: Bits>(x: V) -> V {
    const P: [f64; 6] =
        [9.413_143_62e-3, 3.072_727_006e-3, 2.445_998_602e-2, 5.340_270_326e-2, 1.333_890_706e-1, 3.333_315_253e-1];
    let a = x.abs();
    let t = a.fma(V::c(FRAC_2_PI), V::c(MAGIC));
    let (r, lost) = less_quarters(a, t - V::c(MAGIC));
    let z = r * r;
    let rest = horner(z, P).fma(z * r, z.fma(lost, lost));
    let w = r + rest;
    // The reciprocal, with what the sum lost.
    let y = V::c(-1.0) / w;
    let y = (y * (rest - (w - r))).fma(y, y);
    let odd = V::c(1.0).xor(t.shl::<31>()).lt(V::c(0.0));
    let y = V::select(odd, y, w);
    or_libm(x, y.xor(x.and(V::c(-0.0))), f32::tan)
}

/// `angle - (x + rest)`, the angle in two parts.
#[inline(always)]
fn from_angle<V: Bits>(angle: f64, x: V, rest: V) -> V {
    let high = angle as f32;
    (V::splat(high) - x) - (rest - V::c(angle - f64::from(high)))
}

/// The arc sine of `|x|` or, with the mask for `|x| > 1/2`, twice that of `sqrt((1 - |x|) / 2)`: a number and what to add.
#[inline(always)]
fn arc<V: Bits>(x: V) -> (V::Mask, V, V) {
    let a = x.abs();
    let far = V::c(0.5).lt(a);
    let z = V::select(far, V::c(-0.5).fma(a, V::c(0.5)), a * a);
    let s = z.sqrt();
    let s = V::select(far, s + s, a);
    let p = horner(z, [4.215_701_297e-2, 2.418_550_29e-2, 4.546_901_956e-2, 7.495_310_158e-2, 1.666_675_21e-1]);
    (far, s, p * (z * s))
}

#[inline(always)]
pub fn asin<V: Bits>(x: V) -> V {
    let (far, s, rest) = arc(x);
    V::select(far, from_angle(FRAC_PI_2, s, rest), s + rest).copysign(x)
}

#[inline(always)]
pub fn acos<V: Bits>(x: V) -> V {
    let (far, s, rest) = arc(x);
    let ends = V::select(x.lt(V::c(0.0)), from_angle(PI, s, rest), s + rest);
    V::select(far, ends, from_angle(FRAC_PI_2, s.copysign(x), rest.copysign(x)))
}

/// The arc tangent of `0 <= t <= 1`, subtracted from a right angle where the mask holds.
#[inline(always)]
fn octant<V: Bits>(t: V, turned: V::Mask) -> V {
    const P: [f64; 9] = [
        -1.787_414_425e-3,
        1.088_686_846e-2,
        -3.112_628_87e-2,
        5.790_604_278e-2,
        -8.400_458_097e-2,
        1.095_117_256e-1,
        -1.426_405_162e-1,
        1.999_853_104e-1,
        -3.333_329_856e-1,
    ];
    let z = t * t;
    let rest = horner(z, P) * (z * t);
    V::select(turned, from_angle(FRAC_PI_2, t, rest), t + rest)
}

#[inline(always)]
pub fn atan<V: Bits>(x: V) -> V {
    let a = x.abs();
    let far = V::c(1.0).lt(a);
    octant(V::select(far, V::c(1.0) / a, a), far).copysign(x)
}

#[inline(always)]
pub fn atan2<V: Bits>(y: V, x: V) -> V {
    let (a, b) = (x.abs(), y.abs());
    let steep = a.lt(b);
    let (small, large) = (V::select(steep, a, b), V::select(steep, b, a));
    // 0 / 0 counts as 0 and inf / inf as 1; NaN stays.
    let safe = V::select(large.lt(V::bits(1)), V::c(1.0), large);
    let t = V::select(V::c(f64::from(f32::MAX)).lt(small), V::c(1.0).min(large), small / safe);
    let w = octant(t, steep);
    let left = V::c(1.0).copysign(x).lt(V::c(0.0));
    V::select(left, from_angle(PI, w, V::c(0.0)), w).copysign(y)
}
