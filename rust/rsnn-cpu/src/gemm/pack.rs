//! Copies operands into the order in which the tile reads them; a transpose costs nothing extra here.
use super::tile::Src;
use super::vector::Simd;
use crate::vmath::Real;

/// Strips of MR rows, k-major; rows beyond the edge are zero.
#[inline(always)]
pub unsafe fn pack_a<S: Simd, const MR: usize>(mut dst: *mut S::T, a: Src<S::T>, m: usize, k: usize) {
    for i in (0..m).step_by(MR) {
        let rows = (m - i).min(MR);
        // SAFETY: rows x k of A are readable; the buffer holds whole strips and a vector more.
        unsafe {
            let src = a.p.offset(i as isize * a.rs);
            let mut p = 0;
            // The transposed block is wider than a strip: what sticks out is overwritten by the next row.
            if a.cs == 1 && i + S::LANES <= m && MR <= S::LANES {
                while p + S::LANES <= k {
                    S::transpose(src.add(p), a.rs, dst.add(p * MR), MR);
                    p += S::LANES;
                }
            }
            while p < k {
                let (s, d) = (src.offset(p as isize * a.cs), dst.add(p * MR));
                if rows == MR {
                    for r in 0..MR {
                        *d.add(r) = *s.offset(r as isize * a.rs);
                    }
                } else {
                    for r in 0..MR {
                        *d.add(r) = if r < rows { *s.offset(r as isize * a.rs) } else { S::T::ZERO };
                    }
                }
                p += 1;
            }
            dst = dst.add(MR * k);
        }
    }
}

/// Panels of NV vectors of columns, row after row; columns beyond the edge are zero.
#[inline(always)]
pub unsafe fn pack_b<S: Simd, const NV: usize>(mut dst: *mut S::T, b: Src<S::T>, k: usize, n: usize) {
    let nr = NV * S::LANES;
    for j in (0..n).step_by(nr) {
        let cols = (n - j).min(nr);
        // SAFETY: k x cols of B are readable; the buffer holds whole panels.
        unsafe {
            let src = Src { p: b.p.offset(j as isize * b.cs), ..b };
            if b.cs == 1 && cols == nr {
                for p in 0..k {
                    let (s, d) = (src.p.offset(p as isize * b.rs), dst.add(p * nr));
                    for v in 0..NV {
                        S::store(d.add(v * S::LANES), S::load(s.add(v * S::LANES)));
                    }
                }
            } else if b.rs == 1 {
                let whole = cols / S::LANES * S::LANES;
                for v in (0..whole).step_by(S::LANES) {
                    let s = src.p.offset(v as isize * b.cs);
                    let mut p = 0;
                    while p + S::LANES <= k {
                        S::transpose(s.add(p), b.cs, dst.add(p * nr + v), nr);
                        p += S::LANES;
                    }
                    pack_rest::<S>(dst, src, (p, k), (v, v + S::LANES), (cols, nr));
                }
                pack_rest::<S>(dst, src, (0, k), (whole, nr), (cols, nr));
            } else {
                pack_rest::<S>(dst, src, (0, k), (0, nr), (cols, nr));
            }
            dst = dst.add(nr * k);
        }
    }
}

/// Rows `p.0..p.1` and columns `j.0..j.1` of a panel, element by element.
#[inline(always)]
unsafe fn pack_rest<S: Simd>(
    dst: *mut S::T,
    b: Src<S::T>,
    p: (usize, usize),
    j: (usize, usize),
    (cols, nr): (usize, usize),
) {
    for r in p.0..p.1 {
        for c in j.0..j.1 {
            // SAFETY: inside the panel; B is read only inside its columns.
            unsafe {
                *dst.add(r * nr + c) =
                    if c < cols { *b.p.offset(r as isize * b.rs + c as isize * b.cs) } else { S::T::ZERO };
            }
        }
    }
}
