//! Transposes of planes: squares of one register a side, in strips as wide as a line of memory.
use super::copy::Dim;
use crate::simd::prefetch;

/// `to[i * rows.to + j] = from[j * line.from + i]` for `i < rows.len` and `j < line.len`.
///
/// # Safety
/// Both planes lie in their allocations and do not overlap.
#[inline(always)]
pub(super) unsafe fn transpose<T: Copy, const PAST: bool>(from: *const T, to: *mut T, rows: Dim, line: Dim) {
    // SAFETY: the contract, in every arm.
    unsafe {
        match (line.len, rows.len) {
            // Few rows or short lines: elements of that many sources are dealt out in turn, or gathered.
            (2, _) if rows.to == 2 => deal::<T, 2>(from, to, rows, line),
            (3, _) if rows.to == 3 => deal::<T, 3>(from, to, rows, line),
            (4, _) if rows.to == 4 => deal::<T, 4>(from, to, rows, line),
            (_, 2) if line.from == 2 => collect::<T, 2>(from, to, rows, line),
            (_, 3) if line.from == 3 => collect::<T, 3>(from, to, rows, line),
            (_, 4) if line.from == 4 => collect::<T, 4>(from, to, rows, line),
            _ => strips::<T, PAST>(from, to, rows, line),
        }
    }
}

/// Interleaves `N` rows of the source.
#[inline(always)]
unsafe fn deal<T: Copy, const N: usize>(from: *const T, to: *mut T, rows: Dim, line: Dim) {
    let sources: [*const T; N] = std::array::from_fn(|j| from.wrapping_offset(j as isize * line.from));
    for i in 0..rows.len {
        // SAFETY: `i` and `j` stay within the planes.
        unsafe { (0..N).for_each(|j| *to.add(i * N + j) = *sources[j].add(i)) }
    }
}

/// Takes `N` interleaved rows apart.
#[inline(always)]
unsafe fn collect<T: Copy, const N: usize>(from: *const T, to: *mut T, rows: Dim, line: Dim) {
    let targets: [*mut T; N] = std::array::from_fn(|i| to.wrapping_offset(i as isize * rows.to));
    for j in 0..line.len {
        // SAFETY: `i` and `j` stay within the planes.
        unsafe { (0..N).for_each(|i| *targets[i].add(j) = *from.add(j * N + i)) }
    }
}

/// Lines of the source from which the next ones are asked for along them rather than in the next strip.
const LONG: usize = 256;

/// Blocks as wide as a line of memory on both sides, each line of the destination written whole.
#[inline(always)]
unsafe fn strips<T: Copy, const PAST: bool>(from: *const T, to: *mut T, rows: Dim, line: Dim) {
    let side = 16 / size_of::<T>();
    let strip = 4 * side;
    let (whole_rows, whole_line) = (rows.len / side * side, line.len / side * side);
    let next = if line.len > LONG { 2 * strip as isize * line.from } else { 2 * strip as isize };
    // SAFETY: positions stay within the planes.
    unsafe {
        let one = |i: usize, j: usize| {
            *to.offset(i as isize * rows.to + j as isize) = *from.offset(j as isize * line.from + i as isize);
        };
        for left in (0..whole_rows).step_by(strip) {
            let right = (left + strip).min(whole_rows);
            for top in (0..whole_line).step_by(strip) {
                let bottom = (top + strip).min(whole_line);
                for j in top..bottom {
                    prefetch(from.wrapping_offset(j as isize * line.from + left as isize + next));
                }
                for i in (left..right).step_by(side) {
                    for j in (top..bottom).step_by(side) {
                        let from = from.offset(j as isize * line.from + i as isize);
                        square::<T, PAST>(from, line.from, to.offset(i as isize * rows.to + j as isize), rows.to);
                    }
                }
            }
            (whole_line..line.len).for_each(|j| (left..right).for_each(|i| one(i, j)));
        }
        (whole_rows..rows.len).for_each(|i| (0..line.len).for_each(|j| one(i, j)));
    }
}

/// Transposes as many elements a side as fill 16 bytes. A perfect shuffle of the rows, as often as the side is halved,
/// brings each element to its place.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn square<T: Copy, const PAST: bool>(from: *const T, from_step: isize, to: *mut T, to_step: isize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_setzero_si128, _mm_storeu_si128, _mm_stream_si128};
    let side = 16 / size_of::<T>();
    // SAFETY: the caller gives squares that lie in their planes; SSE2 is part of the architecture.
    unsafe {
        let mut r: [__m128i; 16] = [_mm_setzero_si128(); 16];
        for (j, r) in r.iter_mut().enumerate().take(side) {
            *r = _mm_loadu_si128(from.offset(j as isize * from_step).cast());
        }
        for _ in 0..side.ilog2() {
            let mut next = r;
            for i in 0..side / 2 {
                [next[2 * i], next[2 * i + 1]] = zip::<T>(r[i], r[i + side / 2]);
            }
            r = next;
        }
        for (i, r) in r.iter().enumerate().take(side) {
            let to = to.offset(i as isize * to_step).cast();
            if PAST { _mm_stream_si128(to, *r) } else { _mm_storeu_si128(to, *r) }
        }
    }
}

/// The elements of `a` and `b` in turn.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn zip<T>(a: std::arch::x86_64::__m128i, b: std::arch::x86_64::__m128i) -> [std::arch::x86_64::__m128i; 2] {
    use std::arch::x86_64::*;
    // SAFETY: SSE2 is part of the architecture.
    unsafe {
        match size_of::<T>() {
            1 => [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)],
            2 => [_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)],
            4 => [_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b)],
            _ => [_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b)],
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn square<T: Copy, const PAST: bool>(from: *const T, from_step: isize, to: *mut T, to_step: isize) {
    let side = (16 / size_of::<T>()) as isize;
    for i in 0..side {
        for j in 0..side {
            // SAFETY: the caller gives squares that lie in their planes.
            unsafe { *to.offset(i * to_step + j) = *from.offset(j * from_step + i) };
        }
    }
}
