//! softmax, layer_norm and the reductions against plain loops in f64.

use crate::layer_norm::{Rows, layer_norm, layer_norm_backward, layer_norm_backward_weight};
use crate::softmax::{softmax, softmax_backward};
use crate::sum::{Reduction, reduce};
use crate::{assert_close, empty, get, gpu, put, random};

/// Applies `f` to each row of the middle dimension.
fn by_row([outer, dim, inner]: [usize; 3], x: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let at = |d: usize| (o * dim + d) * inner + i;
        let row: Vec<f64> = (0..dim).map(|d| f64::from(x[at(d)])).collect();
        for (d, y) in f(&row).into_iter().enumerate() {
            out[at(d)] = y as f32;
        }
    }
    out
}

fn softmax64(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|x| (x - top).exp()).sum();
    row.iter().map(|x| (x - top).exp() / total).collect()
}

#[test]
fn softmax_forward_and_backward() {
    let Some(context) = gpu() else { return };
    for sizes in [[3, 7, 1], [2, 300, 1], [2, 5, 3], [1, 1, 4]] {
        let n = sizes.iter().product();
        let (x, g) = (random(n, 11, 8.0), random(n, 12, 1.0));
        let [xb, gb, yb, dxb] = [put(context, &x), put(context, &g), empty(context, n), empty(context, n)];
        for log in [false, true] {
            softmax(log, sizes, (&xb, 0), (&yb, 0)).unwrap();
            let want = by_row(sizes, &x, |row| {
                softmax64(row).into_iter().map(|p| if log { p.ln() } else { p }).collect()
            });
            let y = get(&yb);
            assert_close(&y, &want, 2e-6, 2e-6);
            softmax_backward(log, sizes, (&yb, 0), (&gb, 0), (&dxb, 0)).unwrap();
            let [_, dim, inner] = sizes;
            let want: Vec<f32> = (0..n).map(|at| {
                let first = at / (dim * inner) * dim * inner + at % inner;
                let row = (0..dim).map(|d| first + d * inner);
                let dot: f64 = row.map(|j| f64::from(g[j]) * if log { 1.0 } else { f64::from(y[j]) }).sum();
                let (g, y) = (f64::from(g[at]), f64::from(y[at]));
                (if log { g - y.exp() * dot } else { y * (g - dot) }) as f32
            }).collect();
            assert_close(&get(&dxb), &want, 1e-5, 1e-6);
        }
        // In place over the saved result.
        softmax(false, sizes, (&xb, 0), (&xb, 0)).unwrap();
        assert_close(&get(&xb), &by_row(sizes, &x, softmax64), 2e-6, 2e-6);
    }
}

#[test]
fn softmax_of_special_rows() {
    let Some(context) = gpu() else { return };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = [0.0, -inf, 0.0, nan, 1.0, 2.0, -inf, -inf, -inf, inf, 0.0, 1.0];
    let want = [0.5, 0.0, 0.5, nan, nan, nan, nan, nan, nan, nan, nan, nan];
    let [xb, out] = [put(context, &x), empty(context, 12)];
    softmax(false, [4, 3, 1], (&xb, 0), (&out, 0)).unwrap();
    assert_close(&get(&out), &want, 1e-6, 0.0);
}

fn stats64(x: &[f32], n: usize, rms: bool, eps: f64) -> Vec<(f64, f64)> {
    x.chunks(n).map(|row| {
        let mean = if rms { 0.0 } else { row.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64 };
        let var = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
        (mean, 1.0 / (var + eps).sqrt())
    }).collect()
}

#[test]
fn layer_norm_forward_and_backward() {
    let Some(context) = gpu() else { return };
    for (rows, n, rms, shift) in [(3, 5, false, 0.0), (200, 70, false, 100.0), (2, 300, true, 0.0)] {
        let x: Vec<f32> = random(rows * n, 21, 2.0).iter().map(|v| v + shift).collect();
        let (g, w, b) = (random(rows * n, 22, 1.0), random(n, 23, 1.5), random(n, 24, 1.0));
        let [xb, gb, wb, bb] = [put(context, &x), put(context, &g), put(context, &w), put(context, &b)];
        let [yb, dxb, stats] = [empty(context, rows * n), empty(context, rows * n), empty(context, rows * 2)];
        let size = Rows { rows, n, rms };
        let s = stats64(&x, n, rms, 1e-5);
        let xhat = |i: usize| (f64::from(x[i]) - s[i / n].0) * s[i / n].1;
        layer_norm(size, (&xb, 0), Some((&wb, 0)), Some((&bb, 0)), 1e-5, (&yb, 0), &stats).unwrap();
        let want: Vec<f32> = (0..rows * n).map(|i| (xhat(i) * f64::from(w[i % n]) + f64::from(b[i % n])) as f32).collect();
        assert_close(&get(&yb), &want, 1e-4, 1e-4);
        layer_norm_backward(size, (&xb, 0), (&gb, 0), &stats, Some((&wb, 0)), (&dxb, 0)).unwrap();
        let gw = |i: usize| f64::from(g[i]) * f64::from(w[i % n]);
        let want: Vec<f32> = (0..rows * n).map(|i| {
            let row = i / n * n..i / n * n + n;
            let m1 = if rms { 0.0 } else { row.clone().map(gw).sum::<f64>() / n as f64 };
            let m2 = row.map(|j| gw(j) * xhat(j)).sum::<f64>() / n as f64;
            (s[i / n].1 * (gw(i) - m1 - xhat(i) * m2)) as f32
        }).collect();
        assert_close(&get(&dxb), &want, 1e-4, 1e-4);
        let column = |f: &dyn Fn(usize) -> f64, c: usize| (0..rows).map(|r| f(r * n + c)).sum::<f64>() as f32;
        let want: Vec<f32> = (0..n).map(|c| column(&|i| f64::from(g[i]) * xhat(i), c))
            .chain((0..n).map(|c| column(&|i| f64::from(g[i]), c))).collect();
        assert_close(&get(&layer_norm_backward_weight(size, (&xb, 0), (&gb, 0), &stats).unwrap()), &want, 1e-4, 1e-3);
    }
}

#[test]
fn reductions() {
    let Some(context) = gpu() else { return };
    for [outer, dim, inner] in [[4, 9, 1], [1, 40_000, 1], [2, 6, 5], [1, 700, 3], [3, 0, 2], [3, 0, 1]] {
        let x: Vec<f32> = random(outer * dim * inner, 31, 1.0).iter().map(|v| v * 0.5 + 1.0).collect();
        let [xb, out] = [put(context, &x), empty(context, outer * inner)];
        let fold = |start: f64, f: fn(f64, f64) -> f64| -> Vec<f32> {
            (0..outer * inner).map(|r| (0..dim).fold(start, |acc, d| {
                f(acc, f64::from(x[(r / inner * dim + d) * inner + r % inner]))
            }) as f32).collect()
        };
        reduce(Reduction::Sum, [outer, dim, inner], (&xb, 0), 0.5, (&out, 0)).unwrap();
        let want: Vec<f32> = fold(0.0, |a, b| a + b).iter().map(|v| v * 0.5).collect();
        let first = get(&out);
        assert_close(&first, &want, 1e-5, 1e-6);
        reduce(Reduction::Sum, [outer, dim, inner], (&xb, 0), 0.5, (&out, 0)).unwrap();
        assert_eq!(get(&out), first, "a second run gives the same bits");
        reduce(Reduction::Amax, [outer, dim, inner], (&xb, 0), 1.0, (&out, 0)).unwrap();
        assert_eq!(get(&out), fold(f64::NEG_INFINITY, f64::max));
        reduce(Reduction::Amin, [outer, dim, inner], (&xb, 0), 1.0, (&out, 0)).unwrap();
        assert_eq!(get(&out), fold(f64::INFINITY, f64::min));
        if dim < 50 {
            reduce(Reduction::Prod, [outer, dim, inner], (&xb, 0), 1.0, (&out, 0)).unwrap();
            assert_close(&get(&out), &fold(1.0, |a, b| a * b), 1e-5, 0.0);
        }
    }
    let x = put(context, &[1.0, f32::NAN, 2.0, 3.0]);
    let out = empty(context, 2);
    reduce(Reduction::Amax, [2, 2, 1], (&x, 0), 1.0, (&out, 0)).unwrap();
    assert_close(&get(&out), &[f32::NAN, 3.0], 0.0, 0.0);
}
