//! Normal samples as torch draws them: Box-Muller in blocks of 8 + 8 for 16 elements and more, in pairs below that.
//! The f32 block uses the Cephes single-precision log, sin and cos, so that its values agree with torch's AVX2 kernel.
// Constants as published.
#![allow(clippy::excessive_precision)]
use super::{Generator, Uniform};
use std::f64::consts::PI;

/// A float with a blocked Box-Muller transform.
pub trait Normal: Uniform {
    /// Turns whole blocks of 16 uniforms (8 for the radius, 8 for the angle) into normals.
    fn box_muller(blocks: &mut [Self], mean: f64, std: f64);
}

impl Normal for f64 {
    fn box_muller(blocks: &mut [f64], mean: f64, std: f64) {
        for block in blocks.chunks_exact_mut(16) {
            for j in 0..8 {
                let radius = (-2.0 * (1.0 - block[j]).ln()).sqrt();
                let theta = 2.0 * PI * block[j + 8];
                block[j] = (radius * theta.cos()).mul_add(std, mean);
                block[j + 8] = (radius * theta.sin()).mul_add(std, mean);
            }
        }
    }
}

impl Normal for f32 {
    fn box_muller(blocks: &mut [f32], mean: f64, std: f64) {
        let (mean, std) = (mean as f32, std as f32);
        crate::simd::vectorize(
            #[inline(always)]
            || {
                for blocks in blocks.chunks_mut(16 * BATCH) {
                    transform(blocks, mean, std);
                }
            },
        );
    }
}

/// Blocks of f32 that are transformed in one loop: the compiler vectorises a long one.
const BATCH: usize = 16;

#[inline(always)]
fn transform(blocks: &mut [f32], mean: f32, std: f32) {
    let (mut radii, mut angles) = ([0.0; 8 * BATCH], [0.0; 8 * BATCH]);
    for (i, block) in blocks.chunks_exact(16).enumerate() {
        radii[8 * i..8 * i + 8].copy_from_slice(&block[..8]);
        angles[8 * i..8 * i + 8].copy_from_slice(&block[8..]);
    }
    for (r, a) in radii.iter_mut().zip(&mut angles) {
        let radius = (-2.0 * log(1.0 - *r)).sqrt();
        let (sin, cos) = sin_cos((2.0 * PI) as f32 * *a);
        *r = (radius * cos).mul_add(std, mean);
        *a = (radius * sin).mul_add(std, mean);
    }
    for (i, block) in blocks.chunks_exact_mut(16).enumerate() {
        block[..8].copy_from_slice(&radii[8 * i..8 * i + 8]);
        block[8..].copy_from_slice(&angles[8 * i..8 * i + 8]);
    }
}

/// Cephes `logf` for x in (0, 1].
#[inline(always)]
fn log(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let e = (bits >> 23) as i32 - 0x7f;
    let m = f32::from_bits((bits & !0x7f80_0000) | 0x3f00_0000);
    let low = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = (e as f32 + 1.0) - if low { 1.0 } else { 0.0 };
    let x = (m - 1.0) + if low { m } else { 0.0 };
    let z = x * x;
    let mut y = 7.0376836292e-2f32;
    for c in [
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1f32,
    ] {
        y = y.mul_add(x, c);
    }
    let y = (y * x).mul_add(z, e * -2.12194440e-4);
    let y = z.mul_add(-0.5, y);
    e.mul_add(0.693359375, x + y)
}

/// Cephes `sinf` and `cosf` for x in [0, 2 pi].
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    // SAFETY: x is in range, so the product is below 2^31; the checked cast keeps the loop from vectorising.
    let whole: i32 = unsafe { (x * (4.0 / std::f32::consts::PI)).to_int_unchecked() };
    let octant = (whole + 1) & !1;
    let y = octant as f32;
    let x = y.mul_add(-3.77489497744594108e-8, y.mul_add(-2.4187564849853515625e-4, y.mul_add(-0.78515625, x)));
    let z = x * x;
    let c = (2.443315711809948e-5f32.mul_add(z, -1.388731625493765e-3)).mul_add(z, 4.166664568298827e-2) * z;
    let c = z.mul_add(-0.5, c * z) + 1.0;
    let s = ((-1.9515295891e-4f32).mul_add(z, 8.3321608736e-3)).mul_add(z, -1.6666654611e-1) * z;
    let s = s.mul_add(x, x);
    let swapped = octant & 2 != 0;
    let (sin, cos) = if swapped { (c, s) } else { (s, c) };
    let sin_sign = ((octant & 4) as u32) << 29;
    let cos_sign = ((!(octant - 2) & 4) as u32) << 29;
    (f32::from_bits(sin.to_bits() ^ sin_sign), f32::from_bits(cos.to_bits() ^ cos_sign))
}

impl Generator {
    /// One sample of N(mean, std), from the pair kept in the generator.
    pub fn next_normal(&mut self, mean: f64, std: f64) -> f64 {
        if let Some(sample) = self.next_double_normal.take() {
            return sample.mul_add(std, mean);
        }
        let u1 = f64::unit(self);
        let u2 = f64::unit(self);
        let r = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = 2.0 * PI * u1;
        self.next_double_normal = Some(r * theta.sin());
        (r * theta.cos()).mul_add(std, mean)
    }

    /// `normal_(mean, std)` on a contiguous tensor.
    pub fn normal<T: Normal>(&mut self, out: &mut [T], mean: f64, std: f64) {
        let len = out.len();
        if len < 16 {
            return self.normal_serial(out, mean, std);
        }
        self.uniform(out, 0.0, 1.0);
        T::box_muller(out, mean, std);
        if !len.is_multiple_of(16) {
            // The last 16 values are drawn anew, over some that were already done.
            let last = &mut out[len - 16..];
            self.uniform(last, 0.0, 1.0);
            T::box_muller(last, mean, std);
        }
    }

    /// `normal_(mean, std)` as torch fills a tensor that is not contiguous.
    pub fn normal_serial<T: Uniform>(&mut self, out: &mut [T], mean: f64, std: f64) {
        out.iter_mut().for_each(|o| *o = T::from_f64(self.next_normal(mean, std)));
    }
}
