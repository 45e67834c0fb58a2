//! Products of f16 and bf16: operands are widened to f32 once, summed in f32 and rounded once.
use super::driver::{self, Job};
use super::scratch::{Slot, with};
use super::tile::Src;
use super::{Element, Gemm, Kernels, for_batch};
use crate::{pool, simd};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// f16 or bf16.
pub trait HalfScalar: Element<Acc = f32> {
    fn widen(src: &[Self], dst: &mut [f32]);
    fn narrow(src: &[f32], dst: &mut [Self]);
}

impl Element for f16 {
    type Acc = f32;
}
impl Element for bf16 {
    type Acc = f32;
}

impl HalfScalar for f16 {
    fn widen(src: &[Self], dst: &mut [f32]) {
        src.convert_to_f32_slice(dst);
    }
    fn narrow(src: &[f32], dst: &mut [Self]) {
        dst.convert_from_f32_slice(src);
    }
}

impl HalfScalar for bf16 {
    fn widen(src: &[Self], dst: &mut [f32]) {
        simd::vectorize(
            #[inline(always)]
            || src.iter().zip(dst).for_each(|(s, d)| *d = f32::from_bits(u32::from(s.to_bits()) << 16)),
        );
    }
    fn narrow(src: &[f32], dst: &mut [Self]) {
        simd::vectorize(
            #[inline(always)]
            || {
                src.iter().zip(dst).for_each(|(s, d)| {
                    let bits = s.to_bits();
                    // To nearest, ties to even; a NaN keeps its sign and becomes quiet.
                    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
                    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
                    *d = bf16::from_bits((if nan { bits | 0x40_0000 } else { rounded } >> 16) as u16);
                });
            },
        );
    }
}

/// Computes one product of halves, rounding C once.
///
/// # Safety
/// As for [`super::gemm`].
pub unsafe fn gemm_half<H: HalfScalar>(job: &Gemm<H>) {
    debug_assert!(job.bias_fits());
    // SAFETY: the same contract.
    unsafe { one(job, (0, 0, 0), true) };
}

/// The same product at other places, as [`super::batched_gemm`].
///
/// # Safety
/// As for [`super::batched_gemm`].
pub unsafe fn batched_gemm_half<H: HalfScalar>(job: &Gemm<H>, offsets: &[(isize, isize, isize)]) {
    debug_assert!(job.bias_fits());
    struct Shared<'a, 'b, H: HalfScalar>(&'a Gemm<'b, H>);
    // SAFETY: members read A and B and write their own C.
    unsafe impl<H: HalfScalar> Sync for Shared<'_, '_, H> {}
    let shared = Shared(job);
    let work = job.m.saturating_mul(job.n).saturating_mul(job.k);
    for_batch(offsets.len(), work, |i, parallel| {
        let shared = &shared;
        // SAFETY: the same contract at this member's offsets.
        unsafe { one(shared.0, offsets[i], parallel) };
    });
}

unsafe fn one<H: HalfScalar>(half: &Gemm<H>, at: (isize, isize, isize), parallel: bool) {
    let (m, n, k) = (half.m, half.n, half.k);
    let a = Src { p: half.a.wrapping_offset(at.0), rs: half.a_rs, cs: half.a_cs };
    let b = Src { p: half.b.wrapping_offset(at.1), rs: half.b_rs, cs: half.b_cs };
    let c = pool::SendPtr(half.c.wrapping_offset(at.2));
    let c_rs = half.c_rs;
    let mut bias = vec![0.0; half.bias().map_or(0, <[H]>::len)];
    H::widen(half.bias().unwrap_or(&[]), &mut bias);
    let run = |wide_a: *mut f32, wide_b: *mut f32, wide_c: *mut f32| {
        let old = Src { p: c.get().cast_const(), rs: c_rs, cs: 1 };
        // SAFETY: the buffers hold m x k, k x n and m x n values; operands and C are the caller's.
        unsafe {
            if half.accumulate {
                widen(old, m, n, wide_c, parallel);
            }
            let bias = if bias.is_empty() { std::ptr::null() } else { bias.as_ptr() };
            let out = half.out(wide_c, n as isize, bias);
            let job = Job { m, n, k, a: widen(a, m, k, wide_a, parallel), b: widen(b, k, n, wide_b, parallel), out };
            driver::run(f32::kernel(), &job, parallel);
            let wide_c = pool::SendPtr(wide_c);
            for_lines(m, n, parallel, |i| {
                let row = std::slice::from_raw_parts(wide_c.get().add(i * n), n);
                H::narrow(row, std::slice::from_raw_parts_mut(c.get().offset(i as isize * c_rs), n));
            });
        }
    };
    with(Slot::HalfA, m * k, |a| with(Slot::HalfB, k * n, |b| with(Slot::HalfC, m * n, |c| run(a, b, c))));
}

/// Copies a matrix to f32 in the order that keeps adjacent elements adjacent.
unsafe fn widen<H: HalfScalar>(src: Src<H>, rows: usize, cols: usize, dst: *mut f32, parallel: bool) -> Src<f32> {
    let by_column = src.rs == 1 && src.cs != 1;
    let (lines, len, line_step, step) =
        if by_column { (cols, rows, src.cs, src.rs) } else { (rows, cols, src.rs, src.cs) };
    let (from, to) = (pool::SendPtr(src.p.cast_mut()), pool::SendPtr(dst));
    for_lines(lines, len, parallel, |i| {
        // SAFETY: line i of both matrices; every line has its own part of the buffer.
        unsafe {
            let (from, to) = (from.get().offset(i as isize * line_step), to.get().add(i * len));
            if step == 1 {
                H::widen(std::slice::from_raw_parts(from, len), std::slice::from_raw_parts_mut(to, len));
            } else {
                for j in 0..len {
                    H::widen(&[*from.offset(j as isize * step)], std::slice::from_raw_parts_mut(to.add(j), 1));
                }
            }
        }
    });
    let (rs, cs) = if by_column { (1, len as isize) } else { (len as isize, 1) };
    Src { p: dst, rs, cs }
}

fn for_lines(lines: usize, len: usize, parallel: bool, f: impl Fn(usize) + Sync) {
    let chunks = if parallel { pool::split(lines * len, 1 << 16).min(lines) } else { 1 };
    pool::for_each_chunk(chunks, |c| pool::range(lines, chunks, c).for_each(&f));
}
