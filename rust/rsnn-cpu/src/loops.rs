//! Strided elementwise loops: dimensions are merged where strides allow, the innermost run is vectorised, rows go to the pool.
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use crate::vmath::{Map2, Real, STEP, map2};

/// Most dimensions that a loop takes.
pub const MAX_DIMS: usize = 16;
const GRAIN: usize = 32 * 1024;

/// A merged iteration space over `N` operands; strides count elements.
pub struct Walk<const N: usize> {
    ndim: usize,
    shape: [usize; MAX_DIMS],
    strides: [[isize; MAX_DIMS]; N],
}

impl<const N: usize> Walk<N> {
    /// Merges neighbouring dimensions that all operands step through evenly.
    pub fn new(shape: &[usize], strides: [&[isize]; N]) -> Walk<N> {
        let mut w = Walk { ndim: 0, shape: [1; MAX_DIMS], strides: [[0; MAX_DIMS]; N] };
        for (i, &d) in shape.iter().enumerate() {
            if d == 1 {
                continue;
            }
            let k = w.ndim;
            let merges = k > 0 && (0..N).all(|n| w.strides[n][k - 1] == strides[n][i] * d as isize);
            let at = if merges { k - 1 } else { k };
            w.shape[at] = if merges { w.shape[at] * d } else { d };
            for n in 0..N {
                w.strides[n][at] = strides[n][i];
            }
            if !merges {
                w.ndim += 1;
            }
        }
        if w.ndim == 0 {
            w.ndim = 1;
            for n in 0..N {
                w.strides[n][0] = 1;
            }
        }
        w
    }

    /// Calls `f(offsets, length, strides)` for each innermost run, in parallel when there is enough work.
    pub fn for_each(&self, f: impl Fn([isize; N], usize, [isize; N]) + Sync) {
        let last = self.ndim - 1;
        let inner = self.shape[last];
        let outer: usize = self.shape[..last].iter().product();
        let mut steps = [0; N];
        for n in 0..N {
            steps[n] = self.strides[n][last];
        }
        if inner == 0 || outer == 0 {
            return;
        }
        if outer == 1 {
            let chunks = pool::split(inner, GRAIN);
            return pool::for_each_chunk(chunks, |c| {
                let r = pool::range(inner, chunks, c);
                let mut at = [0; N];
                for n in 0..N {
                    at[n] = r.start as isize * steps[n];
                }
                f(at, r.len(), steps);
            });
        }
        let chunks = pool::split(outer, (GRAIN / inner).max(1));
        pool::for_each_chunk(chunks, |c| {
            let r = pool::range(outer, chunks, c);
            let (mut index, mut at) = self.locate(r.start, last);
            for _ in r {
                f(at, inner, steps);
                self.advance(&mut index, &mut at, last);
            }
        });
    }

    fn locate(&self, row: usize, last: usize) -> ([usize; MAX_DIMS], [isize; N]) {
        let (mut index, mut at, mut rest) = ([0; MAX_DIMS], [0; N], row);
        for d in (0..last).rev() {
            index[d] = rest % self.shape[d];
            rest /= self.shape[d];
            for n in 0..N {
                at[n] += index[d] as isize * self.strides[n][d];
            }
        }
        (index, at)
    }

    #[inline(always)]
    fn advance(&self, index: &mut [usize; MAX_DIMS], at: &mut [isize; N], last: usize) {
        for d in (0..last).rev() {
            index[d] += 1;
            for n in 0..N {
                at[n] += self.strides[n][d];
            }
            if index[d] < self.shape[d] {
                return;
            }
            index[d] = 0;
            for n in 0..N {
                at[n] -= self.strides[n][d] * self.shape[d] as isize;
            }
        }
    }
}

/// `out = f(a)` over any strides.
///
/// # Safety
/// Every element that `shape` and the strides reach lies in its allocation; `out` overlaps `a` only element for element.
pub unsafe fn unary<A: Copy, O: Copy>(
    shape: &[usize],
    (a, sa): (*const A, &[isize]),
    (out, so): (*mut O, &[isize]),
    f: impl Fn(A) -> O + Copy + Sync,
) {
    let (a, out) = (SendPtr(a.cast_mut()), SendPtr(out));
    Walk::new(shape, [sa, so]).for_each(|at, len, step| {
        // SAFETY: offsets stay within the operands by the contract.
        vectorize(
            #[inline(always)]
            || unsafe {
                let (a, out) = (a.get().offset(at[0]), out.get().offset(at[1]));
                match step {
                    [1, 1] => (0..len).for_each(
                        #[inline(always)]
                        |i| *out.add(i) = f(*a.add(i)),
                    ),
                    [0, 1] => {
                        let v = f(*a);
                        (0..len).for_each(
                            #[inline(always)]
                            |i| *out.add(i) = v,
                        );
                    }
                    [s, t] => (0..len as isize).for_each(
                        #[inline(always)]
                        |i| *out.offset(i * t) = f(*a.offset(i * s)),
                    ),
                }
            },
        );
    });
}

/// `out = f(a, b)` over any strides.
///
/// # Safety
/// As for `unary`, for both operands.
pub unsafe fn binary<A: Copy, B: Copy, O: Copy>(
    shape: &[usize],
    (a, sa): (*const A, &[isize]),
    (b, sb): (*const B, &[isize]),
    (out, so): (*mut O, &[isize]),
    f: impl Fn(A, B) -> O + Copy + Sync,
) {
    let (a, b, out) = (SendPtr(a.cast_mut()), SendPtr(b.cast_mut()), SendPtr(out));
    Walk::new(shape, [sa, sb, so]).for_each(|at, len, step| {
        // SAFETY: offsets stay within the operands by the contract.
        vectorize(
            #[inline(always)]
            || unsafe {
                let (a, b, out) = (a.get().offset(at[0]), b.get().offset(at[1]), out.get().offset(at[2]));
                match step {
                    // In place: results wait for a whole step, or the compiler would do one element at a time.
                    [1, 1, 1] if out.cast::<u8>() == a.cast::<u8>() => {
                        let mut i = 0;
                        while i + STEP <= len {
                            let part: [O; STEP] = std::array::from_fn(
                                #[inline(always)]
                                |j| f(*a.add(i + j), *b.add(i + j)),
                            );
                            out.add(i).cast::<[O; STEP]>().write_unaligned(part);
                            i += STEP;
                        }
                        (i..len).for_each(
                            #[inline(always)]
                            |i| *out.add(i) = f(*a.add(i), *b.add(i)),
                        );
                    }
                    [1, 1, 1] => (0..len).for_each(
                        #[inline(always)]
                        |i| *out.add(i) = f(*a.add(i), *b.add(i)),
                    ),
                    [1, 0, 1] => {
                        let y = *b;
                        (0..len).for_each(
                            #[inline(always)]
                            |i| *out.add(i) = f(*a.add(i), y),
                        );
                    }
                    [0, 1, 1] => {
                        let x = *a;
                        (0..len).for_each(
                            #[inline(always)]
                            |i| *out.add(i) = f(x, *b.add(i)),
                        );
                    }
                    [s, t, u] => (0..len as isize).for_each(
                        #[inline(always)]
                        |i| *out.offset(i * u) = f(*a.offset(i * s), *b.offset(i * t)),
                    ),
                }
            },
        );
    });
}

/// Elements that `lanes` computes at a time.
const BLOCK: usize = 512;

/// `out = m(a, b)` over any strides in vector math, block by block.
///
/// # Safety
/// As for `binary`.
pub unsafe fn lanes<T: Real, M: Map2>(
    shape: &[usize],
    (a, sa): (*const T, &[isize]),
    (b, sb): (*const T, &[isize]),
    (out, so): (*mut T, &[isize]),
    m: M,
) {
    let (a, b, out) = (SendPtr(a.cast_mut()), SendPtr(b.cast_mut()), SendPtr(out));
    Walk::new(shape, [sa, sb, so]).for_each(|at, len, step| {
        let mut parts = [[T::ZERO; BLOCK]; 3];
        let [x, y, z] = &mut parts;
        for start in (0..len).step_by(BLOCK) {
            let n = BLOCK.min(len - start);
            // SAFETY: offsets stay within the operands by the contract. The operands are copied, so `out` may be one of them.
            unsafe {
                let from = |p: SendPtr<T>, i: usize| p.get().offset(at[i] + start as isize * step[i]);
                gather(from(a, 0), step[0], &mut x[..n]);
                gather(from(b, 1), step[1], &mut y[..n]);
                map2(m, &x[..n], &y[..n], &mut z[..n]);
                let to = from(out, 2);
                if step[2] == 1 {
                    std::ptr::copy_nonoverlapping(z.as_ptr(), to, n);
                } else {
                    (0..n).for_each(|i| *to.offset(i as isize * step[2]) = z[i]);
                }
            }
        }
    });
}

/// # Safety
/// `part.len()` elements from `p` on, `step` apart, are valid.
unsafe fn gather<T: Copy>(p: *const T, step: isize, part: &mut [T]) {
    // SAFETY: the caller's elements.
    unsafe {
        match step {
            0 => part.fill(*p),
            1 => std::ptr::copy_nonoverlapping(p, part.as_mut_ptr(), part.len()),
            _ => part.iter_mut().enumerate().for_each(|(i, v)| *v = *p.offset(i as isize * step)),
        }
    }
}

/// `out = f(a, b, c)` over any strides.
///
/// # Safety
/// As for `unary`, for all operands.
pub unsafe fn ternary<A: Copy, B: Copy, C: Copy, O: Copy>(
    shape: &[usize],
    (a, sa): (*const A, &[isize]),
    (b, sb): (*const B, &[isize]),
    (c, sc): (*const C, &[isize]),
    (out, so): (*mut O, &[isize]),
    f: impl Fn(A, B, C) -> O + Copy + Sync,
) {
    let (a, b, c, out) = (SendPtr(a.cast_mut()), SendPtr(b.cast_mut()), SendPtr(c.cast_mut()), SendPtr(out));
    Walk::new(shape, [sa, sb, sc, so]).for_each(|at, len, step| {
        // SAFETY: offsets stay within the operands by the contract.
        vectorize(
            #[inline(always)]
            || unsafe {
                let (a, b) = (a.get().offset(at[0]), b.get().offset(at[1]));
                let (c, out) = (c.get().offset(at[2]), out.get().offset(at[3]));
                match step {
                    [1, 1, 1, 1] => (0..len).for_each(
                        #[inline(always)]
                        |i| *out.add(i) = f(*a.add(i), *b.add(i), *c.add(i)),
                    ),
                    [s, t, u, v] => (0..len as isize).for_each(
                        #[inline(always)]
                        |i| *out.offset(i * v) = f(*a.offset(i * s), *b.offset(i * t), *c.offset(i * u)),
                    ),
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_and_transpose_reach_the_right_elements() {
        let (a, b) = ([1, 2, 3, 4, 5, 6], [10, 20]);
        let mut out = [0; 6];
        // a is (2, 3) transposed to (3, 2); b broadcasts over rows.
        // SAFETY: shapes and strides fit the arrays.
        unsafe {
            binary(&[3, 2], (a.as_ptr(), &[1, 3]), (b.as_ptr(), &[0, 1]), (out.as_mut_ptr(), &[2, 1]), |x, y| x + y)
        };
        assert_eq!(out, [11, 24, 12, 25, 13, 26]);
    }

    #[test]
    fn lanes_take_any_strides_and_write_into_an_operand() {
        use crate::vmath::Remainder;
        let n = 1500; // more than one block
        let mut a: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
        let p = a.as_mut_ptr();
        // SAFETY: every second number, the divisor broadcast; the result replaces the dividend.
        unsafe { lanes(&[n], (p.cast_const(), &[2]), ([7.0f32].as_ptr(), &[0]), (p, &[2]), Remainder) };
        for (i, v) in a.iter().enumerate() {
            assert_eq!(*v, if i % 2 == 0 { (i % 7) as f32 } else { i as f32 });
        }
    }

    #[test]
    fn empty_and_scalar_shapes() {
        let mut out = [7.0];
        // SAFETY: no element, then one element.
        unsafe {
            unary(&[0, 3], ([1.0].as_ptr(), &[3, 1]), (out.as_mut_ptr(), &[3, 1]), |x: f64| x);
            assert_eq!(out, [7.0]);
            unary(&[], ([2.0].as_ptr(), &[]), (out.as_mut_ptr(), &[]), |x: f64| x * 2.0);
        }
        assert_eq!(out, [4.0]);
    }
}
