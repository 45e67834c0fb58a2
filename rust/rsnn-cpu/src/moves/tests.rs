use super::blocks::{Blocks, fold, unfold};
use super::pad::{Axis, OUTSIDE, pad, unpad};
use super::*;

/// Copies a dense array of `shape` read in the order `order`, backwards along `flipped`, and compares with one loop.
fn check<T: Copy + PartialEq + std::fmt::Debug>(
    shape: &[usize],
    order: &[usize],
    flipped: usize,
    of: impl Fn(usize) -> T,
) {
    let n: usize = shape.iter().product();
    let x: Vec<T> = (0..n).map(&of).collect();
    let dense = |shape: &[usize]| -> Vec<isize> {
        (0..shape.len()).map(|d| shape[d + 1..].iter().product::<usize>() as isize).collect()
    };
    let (all, turned): (_, Vec<usize>) = (dense(shape), order.iter().map(|&d| shape[d]).collect());
    let (mut from, to): (Vec<isize>, _) = (order.iter().map(|&d| all[d]).collect(), dense(&turned));
    let mut start = 0;
    if flipped < order.len() {
        start = from[flipped] * (turned[flipped] as isize - 1);
        from[flipped] = -from[flipped];
    }
    let mut out = vec![of(0); n];
    // SAFETY: dense arrays of the same number of elements.
    unsafe { copy(&turned, (x.as_ptr().offset(start), &from), (out.as_mut_ptr(), &to)) };
    for (i, v) in out.iter().enumerate() {
        let at = |d: usize| (i / to[d] as usize % turned[d]) as isize * from[d];
        assert_eq!(*v, x[(start + (0..turned.len()).map(at).sum::<isize>()) as usize], "{shape:?} {order:?} at {i}");
    }
}

#[test]
fn copies_of_every_width_and_order() {
    let many: Vec<usize> = (0..17).rev().collect();
    let shapes: [(&[usize], &[usize]); 17] = [
        (&[2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2], &many),
        (&[1], &[0]),
        (&[7, 5], &[1, 0]),
        (&[33, 70], &[1, 0]),
        (&[300, 260], &[1, 0]),
        (&[2, 100], &[1, 0]),
        (&[100, 3], &[1, 0]),
        (&[4, 17, 4], &[2, 0, 1]),
        (&[3, 20, 40], &[0, 2, 1]),
        (&[2, 3, 4, 5], &[3, 1, 0, 2]),
        (&[3, 2, 2, 5, 6], &[0, 3, 1, 4, 2]),
        (&[3, 5, 2, 6, 2], &[0, 2, 4, 1, 3]),
        (&[2, 3, 1, 40], &[1, 2, 0, 3]),
        (&[90000], &[0]),
        (&[2, 70000], &[0, 1]),
        // Written past the caches: a transpose with odd edges, and rows.
        (&[1204, 1844], &[1, 0]),
        (&[2, 1100, 1004], &[1, 0, 2]),
    ];
    for (shape, order) in shapes {
        for flipped in 0..=order.len() {
            check(shape, order, flipped, |i| (i * 7) as u8);
            check(shape, order, flipped, |i| (i * 7) as u16);
            check(shape, order, flipped, |i| i as u32);
            check(shape, order, flipped, |i| i as u64);
        }
    }
}

#[test]
fn copies_of_broadcast_and_into_strided() {
    let x = [1u32, 2, 3];
    let mut out = [0; 12];
    // SAFETY: shapes and strides fit the arrays.
    unsafe {
        copy(&[2, 3, 2], (x.as_ptr(), &[0, 1, 0]), (out.as_mut_ptr(), &[6, 2, 1]));
        assert_eq!(out, [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3]);
        copy(&[3], (x.as_ptr(), &[1]), (out.as_mut_ptr().add(1), &[4]));
        assert_eq!(out, [1, 1, 2, 2, 3, 2, 1, 1, 2, 3, 3, 3]);
        copy(&[0, 3], (x.as_ptr(), &[3, 1]), (out.as_mut_ptr(), &[3, 1]));
        copy(&[], (x.as_ptr().add(2), &[]), (out.as_mut_ptr(), &[]));
    }
    assert_eq!(out, [3, 1, 2, 2, 3, 2, 1, 1, 2, 3, 3, 3]);
}

#[test]
fn joins_cut_anywhere() {
    // Rows of 5 + 0 + 40000 bytes: tasks begin inside pieces.
    let (a, b): (Vec<u8>, Vec<u8>) = ((0..15).collect(), (0..120_000).map(|i| (i % 251) as u8).collect());
    let piece = |v: &[u8], len: usize| Piece { from: v.as_ptr(), step: len as isize, len };
    let mut out = vec![0; 3 * 40_005];
    // SAFETY: three rows of each piece.
    unsafe { join(&[piece(&a, 5), piece(&[], 0), piece(&b, 40_000)], 3, out.as_mut_ptr()) };
    for r in 0..3 {
        assert_eq!(out[r * 40_005..][..5], a[r * 5..][..5]);
        assert_eq!(out[r * 40_005 + 5..][..40_000], b[r * 40_000..][..40_000]);
    }
    // SAFETY: no byte.
    unsafe { join(&[piece(&[], 0)], 3, out.as_mut_ptr()) };
}

#[test]
fn pads_and_their_transpose() {
    // 2 x 3, reflected downwards, one column of a constant on the left and the last two columns to the right again.
    let axes = [
        Axis { size: 2, inner: 0..2, sides: [vec![], vec![0]] },
        Axis { size: 3, inner: 0..3, sides: [vec![OUTSIDE], vec![1, 2]] },
    ];
    let x = [1, 2, 3, 4, 5, 6];
    let (mut out, mut back) = ([0; 18], [0; 6]);
    // SAFETY: the arrays fit the tables.
    unsafe {
        pad(x.as_ptr(), out.as_mut_ptr(), 1, &axes, 9);
        unpad(out.as_ptr(), back.as_mut_ptr(), 1, &axes, 0, |a, b| a + b);
    }
    assert_eq!(out, [9, 1, 2, 3, 2, 3, 9, 4, 5, 6, 5, 6, 9, 1, 2, 3, 2, 3]);
    assert_eq!(back, [2, 8, 12, 4, 10, 12]);
}

#[test]
fn blocks_and_their_transpose() {
    // 2 x 3 images, 2 x 2 blocks a row and two columns apart, one row and one column of padding, taps two columns apart.
    let b = Blocks { size: [2, 3], kernel: [2, 2], dilation: [1, 2], padding: [1, 1], stride: [1, 2], count: [3, 2] };
    let x = [1, 2, 3, 4, 5, 6];
    let (mut out, mut back) = ([7; 24], [7; 6]);
    // SAFETY: one image and its columns.
    unsafe {
        unfold(x.as_ptr(), out.as_mut_ptr(), 1, &b, 0);
        fold(out.as_ptr(), back.as_mut_ptr(), 1, &b, 0, |a, b| a + b);
    }
    assert_eq!(out, [0, 0, 0, 2, 0, 5, 0, 0, 2, 0, 5, 0, 0, 2, 0, 5, 0, 0, 2, 0, 5, 0, 0, 0]);
    assert_eq!(back, [0, 8, 0, 0, 20, 0]);
}

#[test]
fn radix_sort_is_stable_and_looks_at_its_bits_only() {
    for bits in [0, 1, 11, 12, 18, 32] {
        let mut keys: Vec<u64> = (0..5000u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) << 32 | i).collect();
        let mask = ((1u128 << bits) - 1) as u64;
        let mut sorted = keys.clone();
        sorted.sort_by_key(|k| k >> 32 & mask);
        radix_sort(&mut keys, 32, bits);
        assert_eq!(keys, sorted);
    }
}
