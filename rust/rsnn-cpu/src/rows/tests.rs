#![allow(clippy::needless_range_loop)]
use super::batch_norm::*;
use super::cross_entropy::*;
use super::group_norm::*;
use super::norm::*;
use super::reduce::{self, Axis};
use super::response_norm::*;
use super::scan::*;
use super::soft_columns;
use super::softmax::*;
use crate::pool;
use crate::vmath::Real;

/// Repeatable numbers in [-1, 1).
fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}
fn cast<T: Real>(x: &[f64]) -> Vec<T> {
    x.iter().map(|v| T::from_f64(*v)).collect()
}
fn wide<T: Real>(x: &[T]) -> Vec<f64> {
    x.iter().map(|v| v.to_f64()).collect()
}
fn eps<T: Real>() -> f64 {
    if size_of::<T>() == 4 { 1.2e-7 } else { 2.3e-16 }
}
/// `|got - want| <= tol * eps * (scale + |want|)`; the f64 references are naive themselves, so f64 gets ten times that.
fn close_to<T: Real>(got: &[T], want: &[f64], tol: f64, scale: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let tol = tol * eps::<T>() * if eps::<T>() < 1e-10 { 10.0 } else { 1.0 };
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let g = g.to_f64();
        let ok = g == *w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= tol * (scale + w.abs());
        assert!(ok, "{what}[{i}]: {g} instead of {w}");
    }
}
fn close<T: Real>(got: &[T], want: &[f64], tol: f64, what: &str) {
    close_to(got, want, tol, want.iter().fold(0.0f64, |a, b| a.max(b.abs())) * 0.1, what);
}
const SIZES: [usize; 7] = [1, 2, 31, 32, 33, 130, 4099];
fn shapes() -> impl Iterator<Item = (usize, usize)> {
    [0usize, 1, 3, 70].into_iter().flat_map(|r| SIZES.map(|c| (r, c)))
}
/// Runs a test body for f32 and f64.
macro_rules! both {
    ($name:ident, $body:ident) => {
        #[test]
        fn $name() {
            $body::<f32>();
            $body::<f64>();
        }
    };
}

both!(softmax_matches, softmax_all);
fn softmax_all<T: Real>() {
    for (rows, cols) in shapes() {
        let n = rows * cols;
        let x: Vec<T> = cast(&noise(n, 1).iter().map(|v| v * 8.0).collect::<Vec<_>>());
        let dy: Vec<T> = cast(&noise(n, 2));
        let (xs, gs) = (wide(&x), wide(&dy));
        let (mut y, mut l, mut dx, mut dl, mut lse) =
            (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; rows]);
        softmax(&x, &mut y, rows, cols);
        log_softmax(&x, &mut l, rows, cols);
        logsumexp(&x, &mut lse, rows, cols);
        softmax_backward(&dy, &y, &mut dx, rows, cols);
        log_softmax_backward(&dy, &l, &mut dl, rows, cols);
        for r in 0..rows {
            let a = r * cols..(r + 1) * cols;
            let (x, g) = (&xs[a.clone()], &gs[a.clone()]);
            let m = x.iter().fold(f64::MIN, |a, b| a.max(*b));
            let s: f64 = x.iter().map(|v| (v - m).exp()).sum();
            let p: Vec<f64> = x.iter().map(|v| (v - m).exp() / s).collect();
            close(&y[a.clone()], &p, 8.0, "softmax");
            close(&l[a.clone()], &x.iter().map(|v| v - m - s.ln()).collect::<Vec<_>>(), 8.0, "log_softmax");
            close_to(&lse[r..r + 1], &[m + s.ln()], 4.0, 1.0, "logsumexp");
            let dot: f64 = p.iter().zip(g).map(|(p, g)| p * g).sum();
            let total: f64 = g.iter().sum();
            close_to(
                &dx[a.clone()],
                &p.iter().zip(g).map(|(p, g)| p * (g - dot)).collect::<Vec<_>>(),
                4.0,
                1.0,
                "softmax backward",
            );
            close_to(
                &dl[a],
                &p.iter().zip(g).map(|(p, g)| g - p * total).collect::<Vec<_>>(),
                30.0,
                1.0,
                "log_softmax backward",
            );
        }
    }
}

#[test]
fn softmax_extremes() {
    let inf = f32::INFINITY;
    let mut y = [0f32; 3];
    softmax(&[1000.0, -inf, 1000.0], &mut y, 1, 3);
    assert_eq!(y, [0.5, 0.0, 0.5]);
    softmax(&[-inf; 3], &mut y, 1, 3);
    assert!(y.iter().all(|v| v.is_nan()));
    softmax(&[1.0, f32::NAN, 2.0], &mut y, 1, 3);
    assert!(y.iter().all(|v| v.is_nan()));
    let mut l = [0f32; 4];
    logsumexp(&[-inf, -inf, inf, 1.0, f32::NAN, 1.0, 2.0, 2.0], &mut l, 4, 2);
    assert!(l[0] == -inf && l[1] == inf && l[2].is_nan() && (l[3] - 2.693_147).abs() < 1e-6);
}

/// Normalised row, its moments, and the gradients of one row.
struct Ref {
    xhat: Vec<f64>,
    mean: f64,
    rstd: f64,
}
fn reference(x: &[f64], e: f64, center: bool) -> Ref {
    let n = x.len() as f64;
    // shifted by one element, so that a large offset costs the reference nothing
    let shift = if center { x.first().copied().unwrap_or(0.0) } else { 0.0 };
    let x: Vec<f64> = x.iter().map(|v| v - shift).collect();
    let mean = if center { x.iter().sum::<f64>() / n } else { 0.0 };
    let rstd = 1.0 / (x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n + e).sqrt();
    Ref { xhat: x.iter().map(|v| (v - mean) * rstd).collect(), mean: mean + shift, rstd }
}
fn ref_dx(r: &Ref, g: &[f64], center: bool) -> Vec<f64> {
    let n = g.len() as f64;
    let c1 = if center { g.iter().sum::<f64>() / n } else { 0.0 };
    let c2 = g.iter().zip(&r.xhat).map(|(g, x)| g * x).sum::<f64>() / n;
    g.iter().zip(&r.xhat).map(|(g, x)| r.rstd * (g - c1 - x * c2)).collect()
}
fn mul(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

both!(layer_and_rms_norm_match, norms);
fn norms<T: Real>() {
    for (offset, spread) in [(0.3, 1.0), (1e4, 1e-3)] {
        for (rows, cols) in shapes() {
            norm_case::<T>(rows, cols, offset, spread, true);
            norm_case::<T>(rows, cols, offset.min(1.0), spread, false);
        }
    }
}
fn norm_case<T: Real>(rows: usize, cols: usize, offset: f64, spread: f64, center: bool) {
    let n = rows * cols;
    let x: Vec<T> = cast(&noise(n, 3).iter().map(|v| v * spread + offset).collect::<Vec<_>>());
    let (dy, w, b): (Vec<T>, Vec<T>, Vec<T>) = (cast(&noise(n, 4)), cast(&noise(cols, 5)), cast(&noise(cols, 6)));
    let (xs, gs, ws, bs) = (wide(&x), wide(&dy), wide(&w), wide(&b));
    let (mut y, mut dx, mut mean, mut rstd) =
        (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; rows], vec![T::NAN; rows]);
    let (mut dw, mut db) = (vec![T::NAN; cols], vec![T::NAN; cols]);
    let e = 1e-9;
    let args = NormArgs { x: &x, weight: Some(&w[..]), bias: center.then_some(&b[..]), rows, cols, eps: e };
    if center {
        layer_norm(args, &mut y, &mut mean, &mut rstd)
    } else {
        rms_norm(args, &mut y, &mut rstd)
    }
    let back = NormBackwardArgs {
        dy: &dy,
        x: &x,
        mean: center.then_some(&mean[..]),
        rstd: &rstd,
        weight: Some(&w),
        rows,
        cols,
    };
    if center {
        layer_norm_backward(back, &mut dx, Some(&mut dw), Some(&mut db));
    } else {
        rms_norm_backward(back, &mut dx, Some(&mut dw));
    }
    let (mut rw, mut rb) = (vec![0.0; cols], vec![0.0; cols]);
    for r in 0..rows {
        let a = r * cols..(r + 1) * cols;
        let (g, f) = (&gs[a.clone()], reference(&xs[a.clone()], e, center));
        let want: Vec<f64> = (0..cols).map(|j| f.xhat[j] * ws[j] + if center { bs[j] } else { 0.0 }).collect();
        close(&y[a.clone()], &want, 20.0, "norm");
        close(&rstd[r..r + 1], &[f.rstd], 4.0, "rstd");
        if center {
            close(&mean[r..r + 1], &[f.mean], 10.0, "mean");
        }
        if cols > 2 {
            // a row of one or two elements has gradient 0 up to cancellation
            close(&dx[a.clone()], &ref_dx(&f, &mul(g, &ws), center), 300.0, "norm backward");
        }
        for j in 0..cols {
            rw[j] += g[j] * f.xhat[j];
            rb[j] += g[j];
        }
    }
    close_to(&dw, &rw, 60.0, 1.0, "dweight");
    if center {
        close_to(&db, &rb, 60.0, 1.0, "dbias");
    }
}

/// `[outer, rows, cols]` as `[outer, cols, rows]`.
fn swap<T: Real>(x: &[T], outer: usize, rows: usize, cols: usize) -> Vec<T> {
    let at = |i: usize| (i / (rows * cols), i / rows % cols, i % rows);
    (0..outer * rows * cols).map(at).map(|(o, c, r)| x[(o * rows + r) * cols + c]).collect()
}

both!(columns_match_rows, columns);
fn columns<T: Real>() {
    for (outer, len, inner) in [(0, 3, 2), (2, 1, 3), (2, 65, 31), (1, 7, 33), (3, 200, 64), (1, 130, 150)] {
        let (n, axis) = (outer * len * inner, Axis { outer, len, inner });
        let x: Vec<T> = cast(&noise(n, 1).iter().map(|v| v * 4.0).collect::<Vec<_>>());
        let dy: Vec<T> = cast(&noise(n, 2));
        let flat = |x: &[T]| swap(x, outer, len, inner);
        let (mut y, mut dx, mut want) = (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n]);
        let rows = outer * inner;
        soft_columns::softmax(&x, &mut y, axis);
        softmax(&flat(&x), &mut want, rows, len);
        close(&flat(&y), &wide(&want), 20.0, "softmax");
        soft_columns::softmax_backward(&dy, &y, &mut dx, axis);
        softmax_backward(&flat(&dy), &flat(&y), &mut want, rows, len);
        close(&flat(&dx), &wide(&want), 20.0, "softmax backward");
        soft_columns::log_softmax(&x, &mut y, axis);
        log_softmax(&flat(&x), &mut want, rows, len);
        close(&flat(&y), &wide(&want), 20.0, "log_softmax");
        soft_columns::log_softmax_backward(&dy, &y, &mut dx, axis);
        log_softmax_backward(&flat(&dy), &flat(&y), &mut want, rows, len);
        close(&flat(&dx), &wide(&want), 30.0, "log_softmax backward");
        soft_columns::logsumexp(&x, &mut y[..rows], axis);
        logsumexp(&flat(&x), &mut want[..rows], rows, len);
        close(&y[..rows], &wide(&want[..rows]), 4.0, "logsumexp");
    }
    let (inf, nan) = (T::INFINITY, T::NAN);
    let x = [-inf, nan, inf, T::ONE, -inf, T::ONE, T::ONE, -inf];
    let mut y = [T::ZERO; 4];
    soft_columns::logsumexp(&x, &mut y, Axis { outer: 1, len: 2, inner: 4 });
    assert!(y[0] == -inf && y[1].is_nan() && y[2] == inf && y[3] == T::ONE);
    let mut y = [T::ZERO; 8];
    soft_columns::softmax(&x, &mut y, Axis { outer: 1, len: 2, inner: 4 });
    assert!([0, 1, 2, 4, 5, 6].iter().all(|i| y[*i].is_nan()) && y[3] == T::ONE && y[7] == T::ZERO);
}

both!(response_norm_matches, responses);
fn responses<T: Real>() {
    for (outer, len, inner) in [(0, 3, 2), (2, 1, 3), (2, 5, 70), (1, 9, 1)] {
        for (size, beta) in [(1, 0.75), (2, 0.5), (5, 1.3), (30, 0.75)] {
            let (norm, n) = (ResponseNorm { size, alpha: 0.7, beta, k: 1.1 }, outer * len * inner);
            let (x, dy): (Vec<T>, Vec<T>) = (cast(&noise(n, 1)), cast(&noise(n, 2)));
            let (xs, gs) = (wide(&x), wide(&dy));
            let (mut y, mut dx, mut rdx) = (vec![T::NAN; n], vec![T::NAN; n], vec![0.0; n]);
            let axis = Axis { outer, len, inner };
            response_norm(&x, &mut y, axis, norm);
            response_norm_backward(&dy, &x, &mut dx, axis, norm);
            let mut want = vec![0.0; n];
            for i in 0..n {
                let (c, first) = (i / inner % len, i - i / inner % len * inner);
                let window: Vec<usize> = (0..len).filter(|q| q + size / 2 >= c && *q <= c + (size - 1) / 2).collect();
                let square: f64 = window.iter().map(|q| xs[first + q * inner].powi(2)).sum();
                let d = 1.1 + 0.7 / size as f64 * square;
                want[i] = xs[i] / d.powf(beta);
                rdx[i] += gs[i] / d.powf(beta);
                for q in window {
                    let at = first + q * inner;
                    rdx[at] -= gs[i] * xs[i] * d.powf(-beta - 1.0) * beta * 1.4 / size as f64 * xs[at];
                }
            }
            close(&y, &want, 8.0, "response norm");
            close(&dx, &rdx, 20.0, "response norm backward");
        }
    }
}

both!(group_norm_matches, groups);
fn groups<T: Real>() {
    for (samples, groups, channels, inner) in
        [(0, 2, 2, 5), (1, 1, 1, 1), (3, 2, 4, 33), (2, 3, 2, 1), (5, 4, 1, 1000), (2, 1, 3, 4099)]
    {
        let shape = GroupShape { samples, groups, channels, inner };
        let (rows, cols, wide_c) = (samples * groups, channels * inner, groups * channels);
        let n = rows * cols;
        for (offset, spread, last) in [(0.3, 1.0, false), (1e4, 1e-3, false), (0.3, 1.0, true), (1e4, 1e-3, true)] {
            let x: Vec<T> = cast(&noise(n, 3).iter().map(|v| v * spread + offset).collect::<Vec<_>>());
            let (dy, w, b): (Vec<T>, Vec<T>, Vec<T>) =
                (cast(&noise(n, 4)), cast(&noise(wide_c, 5)), cast(&noise(wide_c, 6)));
            let (xs, gs, ws, bs) = (wide(&x), wide(&dy), wide(&w), wide(&b));
            let (mut y, mut dx, mut mean, mut rstd) =
                (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; rows], vec![T::NAN; rows]);
            let (mut dw, mut db) = (vec![T::NAN; wide_c], vec![T::NAN; wide_c]);
            if last {
                let (x, dy) = (swap(&x, samples, wide_c, inner), swap(&dy, samples, wide_c, inner));
                group_norm_last(&x, Some(&w), Some(&b), shape, 1e-9, &mut y, &mut mean, &mut rstd);
                let (dw, db) = (Some(&mut dw[..]), Some(&mut db[..]));
                group_norm_last_backward(&dy, &x, &mean, &rstd, Some(&w), shape, &mut dx, dw, db);
                (y, dx) = (swap(&y, samples, inner, wide_c), swap(&dx, samples, inner, wide_c));
            } else {
                group_norm(&x, Some(&w), Some(&b), shape, 1e-9, &mut y, &mut mean, &mut rstd);
                group_norm_backward(&dy, &x, &mean, &rstd, Some(&w), shape, &mut dx, Some(&mut dw), Some(&mut db));
            }
            let (mut rw, mut rb) = (vec![0.0; wide_c], vec![0.0; wide_c]);
            for r in 0..rows {
                let a = r * cols..(r + 1) * cols;
                let f = reference(&xs[a.clone()], 1e-9, true);
                let ch: Vec<usize> = (0..cols).map(|j| r % groups * channels + j / inner).collect();
                let want: Vec<f64> = (0..cols).map(|j| f.xhat[j] * ws[ch[j]] + bs[ch[j]]).collect();
                close(&y[a.clone()], &want, 20.0, "group_norm");
                let g: Vec<f64> = (0..cols).map(|j| gs[a.start + j] * ws[ch[j]]).collect();
                if cols > 2 {
                    close(&dx[a.clone()], &ref_dx(&f, &g, true), 300.0, "group_norm backward");
                }
                for j in 0..cols {
                    rw[ch[j]] += gs[a.start + j] * f.xhat[j];
                    rb[ch[j]] += gs[a.start + j];
                }
            }
            close_to(&dw, &rw, 60.0, 1.0, "dweight");
            close_to(&db, &rb, 60.0, 1.0, "dbias");
        }
    }
}

both!(batch_norm_matches, batches);
fn batches<T: Real>() {
    for (outer, channels, inner) in
        [(0, 3, 4), (2, 1, 1), (5, 3, 33), (70, 33, 1), (4, 5, 49), (2, 2, 4099), (3000, 7, 1)]
    {
        let shape = ChannelShape { outer, channels, inner };
        let n = outer * channels * inner;
        let at = |o: usize, c: usize, i: usize| (o * channels + c) * inner + i;
        for (offset, spread) in [(0.3, 1.0), (1e4, 1e-3)] {
            let x: Vec<T> = cast(&noise(n, 7).iter().map(|v| v * spread + offset).collect::<Vec<_>>());
            let (dy, w, b): (Vec<T>, Vec<T>, Vec<T>) =
                (cast(&noise(n, 8)), cast(&noise(channels, 5)), cast(&noise(channels, 6)));
            let mut c = [(); 5].map(|_| vec![T::NAN; channels]);
            let [mean, var, rstd, dw, db] = &mut c;
            let (mut y, mut dx, mut ye, mut dxe) = (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n]);
            batch_norm(&x, Some(&w), Some(&b), shape, 1e-9, &mut y, (mean, var, rstd));
            let args = BatchNormBackwardArgs { dy: &dy, x: &x, mean, rstd, weight: Some(&w), shape, train: true };
            batch_norm_backward(args, Some(&mut dx), Some(dw), Some(db));
            batch_norm_eval(&x, mean, rstd, Some(&w), None, shape, &mut ye);
            batch_norm_backward(BatchNormBackwardArgs { train: false, ..args }, Some(&mut dxe), None, None);
            let (mut m2, mut v2) = (vec![T::NAN; channels], vec![T::NAN; channels]);
            batch_norm_stats(&x, shape, &mut m2, &mut v2);
            assert!(n == 0 || (wide(&m2) == wide(mean) && wide(&v2) == wide(var)));
            if n == 0 {
                continue;
            }
            for ch in 0..channels {
                let ids: Vec<usize> =
                    (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))).map(|(o, i)| at(o, ch, i)).collect();
                let pick = |v: &[T]| ids.iter().map(|i| v[*i]).collect::<Vec<T>>();
                let (xc, gc) = (wide(&pick(&x)), wide(&pick(&dy)));
                let f = reference(&xc, 1e-9, true);
                let (w, b) = (w[ch].to_f64(), b[ch].to_f64());
                close(&pick(&y), &f.xhat.iter().map(|v| v * w + b).collect::<Vec<_>>(), 20.0, "batch_norm");
                close(&mean[ch..ch + 1], &[f.mean], 10.0, "mean");
                close(&var[ch..ch + 1], &[1.0 / (f.rstd * f.rstd) - 1e-9], 20.0, "var");
                let g: Vec<f64> = gc.iter().map(|g| g * w).collect();
                if ids.len() > 2 {
                    close(&pick(&dx), &ref_dx(&f, &g, true), 300.0, "batch_norm backward");
                    close_to(&dw[ch..ch + 1], &[mul(&gc, &f.xhat).iter().sum()], 60.0, 1.0, "dweight");
                }
                close_to(&db[ch..ch + 1], &[gc.iter().sum()], 60.0, 1.0, "dbias");
                let (m, r) = (mean[ch].to_f64(), rstd[ch].to_f64());
                close(&pick(&ye), &xc.iter().map(|v| (v - m) * r * w).collect::<Vec<_>>(), 8.0, "batch_norm_eval");
                close(&pick(&dxe), &g.iter().map(|g| g * r).collect::<Vec<_>>(), 8.0, "batch_norm_eval backward");
            }
        }
    }
}

both!(cross_entropy_matches, losses);
fn losses<T: Real>() {
    for (rows, cols) in [(0, 3), (1, 1), (5, 31), (70, 33), (3, 4099)] {
        for (smooth, weighted) in [(0.0, false), (0.1, false), (0.0, true), (0.3, true)] {
            let n = rows * cols;
            let x: Vec<T> = cast(&noise(n, 9).iter().map(|v| v * 5.0).collect::<Vec<_>>());
            let w: Vec<T> = cast(&noise(cols, 10).iter().map(|v| v + 1.5).collect::<Vec<_>>());
            let target: Vec<i64> = (0..rows).map(|r| if r % 5 == 3 { -100 } else { (r * 7 % cols) as i64 }).collect();
            let g: Vec<T> = cast(&noise(rows, 11));
            let a = CrossEntropyArgs {
                logits: &x,
                target: &target,
                weight: weighted.then_some(&w[..]),
                ignore_index: -100,
                label_smoothing: smooth,
                rows,
                cols,
            };
            let (mut loss, mut lse, mut dx) = (vec![T::NAN; rows], vec![T::NAN; rows], vec![T::NAN; n]);
            let total = cross_entropy(a, &mut loss, &mut lse).ok();
            cross_entropy_backward(a, &lse, &g, &mut dx);
            let ws: Vec<f64> = if weighted { wide(&w) } else { vec![1.0; cols] };
            let mut want_total = 0.0;
            for r in 0..rows {
                let (at, y) = (r * cols..(r + 1) * cols, target[r]);
                let xr = wide(&x[at.clone()]);
                let l = xr.iter().map(|v| v.exp()).sum::<f64>().ln();
                let (mut want, mut grad) = (0.0, vec![0.0; cols]);
                if y >= 0 {
                    want_total += ws[y as usize];
                    for c in 0..cols {
                        let hit = if c == y as usize { (1.0 - smooth) * ws[c] } else { 0.0 };
                        let k = hit + smooth / cols as f64 * ws[c];
                        want += k * (l - xr[c]);
                        for (j, gr) in grad.iter_mut().enumerate() {
                            *gr += g[r].to_f64() * k * ((xr[j] - l).exp() - if j == c { 1.0 } else { 0.0 });
                        }
                    }
                }
                if cols > 1 {
                    close(&loss[r..r + 1], &[want], 16.0, "cross_entropy");
                    close_to(&dx[at], &grad, 20.0, 1.0, "cross_entropy backward");
                }
            }
            assert!((total.unwrap_or(f64::NAN) - want_total).abs() <= 1e-9 * (1.0 + want_total));
        }
    }
    let x = [T::ONE; 6];
    let a = CrossEntropyArgs {
        logits: &x,
        target: &[0, 3],
        weight: None,
        ignore_index: -1,
        label_smoothing: 0.0,
        rows: 2,
        cols: 3,
    };
    assert_eq!(cross_entropy(a, &mut [T::ZERO; 2], &mut [T::ZERO; 2]), Err((1, 3)));
}

fn axes() -> Vec<Axis> {
    let sizes = [
        (1, 1, 1),
        (1, 0, 3),
        (0, 4, 2),
        (3, 31, 1),
        (2, 33, 7),
        (1, 4099, 1),
        (1, 70_001, 1),
        (2, 5, 2100),
        (1, 3000, 40),
        (40, 9, 3),
    ];
    sizes.map(|(outer, len, inner)| Axis { outer, len, inner }).to_vec()
}
/// The elements that go into each output.
fn slices<T: Copy>(x: &[T], a: Axis) -> Vec<Vec<T>> {
    (0..a.outer * a.inner)
        .map(|i| (0..a.len).map(|r| x[(i / a.inner * a.len + r) * a.inner + i % a.inner]).collect())
        .collect()
}

both!(reductions_match, reductions);
fn reductions<T: Real + reduce::Sum<Out = T> + reduce::Order>() {
    for a in axes() {
        let (n, m) = (a.outer * a.len * a.inner, a.outer * a.inner);
        let x: Vec<T> = cast(&noise(n, 12).iter().map(|v| v + 1e3).collect::<Vec<_>>());
        let each: Vec<Vec<f64>> = slices(&x, a).iter().map(|v| wide(v)).collect();
        let want = |f: fn(&[f64]) -> f64| each.iter().map(|v| f(v)).collect::<Vec<f64>>();
        let mut out = vec![T::NAN; m];
        reduce::sum(&x, &mut out, a);
        close(&out, &want(|v| v.iter().sum()), 1.0 + 200.0 * (eps::<T>() < 1e-10) as u8 as f64, "sum");
        reduce::sum_squares(&x, &mut out, a);
        close(
            &out,
            &want(|v| v.iter().map(|x| x * x).sum()),
            1.0 + 200.0 * (eps::<T>() < 1e-10) as u8 as f64,
            "sum_squares",
        );
        if a.len == 0 {
            reduce::mean(&x, &mut out, a);
            assert!(out.iter().all(|v| v.is_nan()));
            continue;
        }
        let mut index = vec![-1i64; m];
        reduce::max(&x, &mut out, &mut index, a);
        close(&out, &want(|v| v.iter().fold(f64::MIN, |a, b| a.max(*b))), 0.0, "max");
        for (i, v) in each.iter().enumerate() {
            assert_eq!(index[i] as usize, v.iter().position(|x| *x == out[i].to_f64()).unwrap_or(usize::MAX));
        }
        reduce::argmin(&x, &mut index, a);
        reduce::amin(&x, &mut out, a);
        for (i, v) in each.iter().enumerate() {
            assert_eq!(index[i] as usize, v.iter().position(|x| *x == out[i].to_f64()).unwrap_or(usize::MAX));
        }
        let (mut var, mut mean) = (vec![T::NAN; m], vec![T::NAN; m]);
        reduce::var_mean(&x, &mut var, &mut mean, a, 1.0);
        let m2 = |v: &[f64]| {
            let m = v.iter().sum::<f64>() / v.len() as f64;
            v.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (v.len() as f64 - 1.0)
        };
        close(&var, &each.iter().map(|v| m2(v)).collect::<Vec<_>>(), 2e3, "var");
        close(&mean, &want(|v| v.iter().sum::<f64>() / v.len() as f64), 200.0, "mean");
        let small: Vec<T> = cast(&noise(n, 13).iter().map(|v| v * 1e-3 + 1.0).collect::<Vec<_>>());
        let each: Vec<Vec<f64>> = slices(&small, a).iter().map(|v| wide(v)).collect();
        reduce::prod(&small, &mut out, a);
        close(&out, &each.iter().map(|v| v.iter().product()).collect::<Vec<_>>(), 1e4, "prod");
        let mut run = vec![T::NAN; n];
        for reverse in [false, true] {
            cumsum(&x, &mut run, a, reverse);
            for (got, v) in slices(&run, a).iter().zip(slices(&x, a)) {
                let mut v = wide(&v);
                if reverse {
                    v.reverse();
                }
                let mut want: Vec<f64> = v
                    .iter()
                    .scan(0.0, |s, x| {
                        *s += x;
                        Some(*s)
                    })
                    .collect();
                if reverse {
                    want.reverse();
                }
                close(got, &want, 1.0, "cumsum");
            }
        }
        cumprod(&small, &mut run, a, false);
        for (got, v) in slices(&run, a).iter().zip(each) {
            close(
                got,
                &v.iter()
                    .scan(1.0, |s, x| {
                        *s *= x;
                        Some(*s)
                    })
                    .collect::<Vec<_>>(),
                1.0,
                "cumprod",
            );
        }
    }
}

/// Rows and columns, rows that end inside a stretch, and what a stretch must not hide: ties, NaN, infinities, far jumps.
#[test]
fn running_extremes_and_log_sums() {
    let inf = f64::INFINITY;
    for n in [1usize, 5, 16, 37, 200] {
        for case in 0..6 {
            let mut x = noise(n, 5).iter().map(|v| (v * 4.0).round()).collect::<Vec<_>>();
            match case {
                1 => x[n / 2] = f64::NAN,
                2 => x[..n / 2].fill(-inf),
                3 => x.iter_mut().enumerate().for_each(|(i, v)| *v = i as f64 * 200.0 - 9e3),
                4 => x[n - 1] = inf,
                5 => x.iter_mut().enumerate().for_each(|(i, v)| *v = 4e3 * (i % 3) as f64 - i as f64),
                _ => {}
            }
            let (mut best, mut place, mut y) = (vec![], vec![], vec![]);
            for (i, v) in x.iter().enumerate() {
                let wins = i == 0 || *v >= best[i - 1] || v.is_nan();
                best.push(if wins { *v } else { best[i - 1] });
                place.push(if wins { i as i64 } else { place[i - 1] });
                let m = x[..=i].iter().fold(-inf, |a, b| a.max(*b));
                let nan = x[..=i].iter().any(|v| v.is_nan());
                let s: f64 = x[..=i].iter().map(|v| (v - m).exp()).sum();
                y.push(if nan {
                    f64::NAN
                } else if m.is_infinite() {
                    m
                } else {
                    m + s.ln()
                });
            }
            for copies in [1usize, 3] {
                // several equal lines, side by side or one after the other
                for inner in [1, copies] {
                    let spread = |v: &[f64]| -> Vec<f64> {
                        if inner == 1 { v.repeat(copies) } else { v.iter().flat_map(|v| [*v; 3]).collect() }
                    };
                    let axis = Axis { outer: if inner == 1 { copies } else { 1 }, len: n, inner };
                    let data = spread(&x);
                    let (mut out, mut index) = (vec![0.0; data.len()], vec![-1i64; data.len()]);
                    cummax(&data, &mut out, &mut index, axis);
                    let want = spread(&best);
                    assert!(out.iter().zip(&want).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())), "{n} {case}");
                    let want = spread(&place.iter().map(|p| *p as f64).collect::<Vec<_>>());
                    assert!(index.iter().zip(&want).all(|(a, b)| *a as f64 == *b), "{n} {case} {index:?} {want:?}");
                    let minus: Vec<f64> = data.iter().map(|v| -v).collect();
                    cummin(&minus, &mut out, &mut index, axis);
                    assert!(index.iter().zip(&want).all(|(a, b)| *a as f64 == *b), "min {n} {case}");
                    logcumsumexp(&data, &mut out, axis);
                    for (a, b) in out.iter().zip(spread(&y)) {
                        let near = (a - b).abs() <= 1e-14 * b.abs().max(1.0);
                        assert!(near || *a == b || (a.is_nan() && b.is_nan()), "log {n} {case} {a} {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn reductions_of_integers_and_nan() {
    let rows = |n: usize| Axis { outer: 1, len: n, inner: 1 };
    let mut s = [0i64];
    let x: Vec<i32> = (0..1000i32).map(|i| i.wrapping_mul(21_000_000)).collect();
    reduce::sum(&x, &mut s, rows(1000));
    assert_eq!(s[0], x.iter().map(|v| *v as i64).sum::<i64>());
    reduce::sum(&[true, false, true], &mut s, rows(3));
    assert_eq!(s[0], 2);
    reduce::sum(&[200u8; 300], &mut s, rows(300));
    assert_eq!(s[0], 60_000);
    let (mut m, mut i) = ([0i64], [0i64]);
    reduce::max(&[i64::MIN, 3, i64::MAX, i64::MAX], &mut m, &mut i, rows(4));
    assert_eq!((m[0], i[0]), (i64::MAX, 2));
    let nan = f32::NAN;
    let mut v = [0f32];
    for n in [5usize, 40, 600] {
        for at in [0, 3, n - 2] {
            let mut x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            (x[at], x[n - 1]) = (nan, nan);
            reduce::max(&x, &mut v, &mut i, rows(n));
            assert!(v[0].is_nan() && i[0] == at as i64, "max {n} {at} {i:?}");
            reduce::min(&x, &mut v, &mut i, rows(n));
            assert!(v[0].is_nan() && i[0] == at as i64, "min {n} {at} {i:?}");
            let mut pair = [0f32; 2];
            let mut places = [0i64; 2];
            let two: Vec<f32> = x.iter().flat_map(|v| [*v, if v.is_nan() { -1.0 } else { *v }]).collect();
            reduce::max(&two, &mut pair, &mut places, Axis { outer: 1, len: n, inner: 2 });
            assert!(pair[0].is_nan() && !pair[1].is_nan() && places[0] == at as i64);
        }
    }
    let mut b = [false; 2];
    let axis = Axis { outer: 2, len: 3, inner: 1 };
    reduce::any(&[0.0, nan, 0.0, 0.0, -0.0, 0.0], &mut b, axis);
    assert_eq!(b, [true, false]);
    reduce::all(&[1.0, nan, 2.0, 1.0, 0.0, 1.0], &mut b, axis);
    assert_eq!(b, [true, false]);
    reduce::all::<u8>(&[], &mut b, Axis { outer: 2, len: 0, inner: 1 });
    assert_eq!(b, [true, true]);
}

/// The same bits with one, two and three threads.
#[test]
fn thread_count_does_not_matter() {
    let run = || {
        let (rows, cols) = (700, 333);
        let n = rows * cols;
        let (x, dy): (Vec<f32>, Vec<f32>) = (cast(&noise(n, 1)), cast(&noise(n, 2)));
        let mut out = Vec::new();
        let mut s = [0f32];
        reduce::sum(&x, &mut s, Axis { outer: 1, len: n, inner: 1 });
        out.extend(s);
        let mut col = vec![0f32; cols];
        reduce::sum(&x, &mut col, Axis { outer: 1, len: rows, inner: cols });
        out.extend(&col);
        let (mut y, mut mean, mut rstd) = (vec![0f32; n], vec![0f32; rows], vec![0f32; rows]);
        layer_norm(NormArgs { x: &x, weight: None, bias: None, rows, cols, eps: 1e-5 }, &mut y, &mut mean, &mut rstd);
        out.extend(&y);
        let (mut dw, mut db) = (vec![0f32; cols], vec![0f32; cols]);
        let back = NormBackwardArgs { dy: &dy, x: &x, mean: Some(&mean), rstd: &rstd, weight: None, rows, cols };
        layer_norm_backward(back, &mut y, Some(&mut dw), Some(&mut db));
        out.extend(y.iter().chain(&dw).chain(&db));
        for shape in [
            ChannelShape { outer: rows, channels: cols, inner: 1 },
            ChannelShape { outer: 7, channels: 9, inner: 3700 },
        ] {
            let mut c = [(); 5].map(|_| vec![0f32; shape.channels]);
            let [mean, var, rstd, dw, db] = &mut c;
            batch_norm(&x, None, None, shape, 1e-5, &mut y, (mean, var, rstd));
            let args = BatchNormBackwardArgs { dy: &dy, x: &x, mean, rstd, weight: None, shape, train: true };
            batch_norm_backward(args, Some(&mut y), Some(dw), Some(db));
            out.extend(y.iter().chain(c.iter().flatten()));
        }
        out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let before = pool::num_threads();
    let with = |n: usize| {
        pool::set_num_threads(n);
        run()
    };
    let one = with(1);
    assert!(one == with(2) && one == with(3));
    pool::set_num_threads(before);
}
