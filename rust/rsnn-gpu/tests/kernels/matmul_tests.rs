//! The tiled product against three loops, over sizes, strides, batches and the bias.

use crate::matmul::{Matrix, Sizes, matmul};
use crate::{assert_close, empty, get, gpu, put, random};

fn reference(s: Sizes, a: (&[f32], [usize; 4]), b: (&[f32], [usize; 4])) -> Vec<f32> {
    let mut c = Vec::new();
    for (z0, z1) in (0..s.batch[0]).flat_map(|z0| (0..s.batch[1]).map(move |z1| (z0, z1))) {
        for (i, j) in (0..s.m).flat_map(|i| (0..s.n).map(move |j| (i, j))) {
            let at = |(x, st): (&[f32], [usize; 4]), r: usize, c: usize| x[z0 * st[0] + z1 * st[1] + r * st[2] + c * st[3]];
            c.push((0..s.k).map(|k| f64::from(at(a, i, k)) * f64::from(at(b, k, j))).sum::<f64>() as f32);
        }
    }
    c
}

#[test]
fn sizes_and_transposes() {
    let Some(context) = gpu() else { return };
    for (m, n, k) in [(1, 1, 1), (3, 5, 7), (64, 64, 16), (65, 33, 17), (2, 96, 40), (70, 3, 0)] {
        let sizes = Sizes { batch: [1, 1], m, n, k };
        let (a, b) = (random(m * k + 1, 1, 1.0), random(k * n + 1, 2, 1.0));
        let [ab, bb] = [put(context, &a), put(context, &b)];
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let sa = if ta { [0, 0, 1, m] } else { [0, 0, k, 1] };
            let sb = if tb { [0, 0, 1, k] } else { [0, 0, n, 1] };
            let out = empty(context, m * n);
            let view = |buffer, offset, strides| Matrix { buffer, offset, strides };
            let (x, y) = (view(&ab, 1, sa), view(&bb, 1, sb));
            matmul(sizes, x, y, view(&out, 0, [0, 0, n, 1]), None, 1.0, 0.0).unwrap();
            assert_close(&get(&out), &reference(sizes, (&a[1..], sa), (&b[1..], sb)), 1e-5, 1e-5);
        }
    }
}

#[test]
fn two_batch_dimensions_with_broadcast_and_bias() {
    let Some(context) = gpu() else { return };
    let sizes = Sizes { batch: [2, 3], m: 5, n: 6, k: 4 };
    // a lies as (batch0, m, batch1, k), as heads do before a transpose; b is shared over batch0.
    let (sa, sb) = ([60, 4, 12, 1], [0, 24, 6, 1]);
    let (a, b, bias) = (random(120, 3, 1.0), random(72, 4, 1.0), random(6, 5, 1.0));
    let [ab, bb, biasb] = [put(context, &a), put(context, &b), put(context, &bias)];
    let out = empty(context, 180);
    let view = |buffer, strides| Matrix { buffer, offset: 0, strides };
    let c = view(&out, [90, 30, 6, 1]);
    matmul(sizes, view(&ab, sa), view(&bb, sb), c, Some(view(&biasb, [0, 0, 0, 1])), 0.5, 2.0).unwrap();
    let product = reference(sizes, (&a, sa), (&b, sb));
    let want: Vec<f32> = product.iter().enumerate().map(|(i, v)| 0.5 * v + 2.0 * bias[i % 6]).collect();
    assert_close(&get(&out), &want, 1e-5, 1e-5);
    let column = view(&out, [90, 30, 1, 5]);
    assert!(matmul(sizes, view(&ab, sa), view(&bb, sb), column, None, 1.0, 0.0).is_err());
}
