//! Rows, dense gradient with repeats and padding, renormalisation.
use super::*;

#[test]
fn gradient_adds_repeats_and_skips_padding() {
    let w = Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[3, 2]).unwrap();
    w.set_requires_grad(true).unwrap();
    let ids = Tensor::from_slice(&[2i64, 0, 2, 1], &[2, 2]).unwrap();
    let y = embedding(&w, &ids, Some(-2)).unwrap();
    assert_eq!(y.shape(), [2, 2, 2]);
    assert_eq!(y.as_slice::<f32>(), [5., 6., 1., 2., 5., 6., 3., 4.]);
    let g = Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6., 7., 8.], &[2, 2, 2]).unwrap();
    crate::autograd::backward(&[y], &[Some(g)], false, false, &[]).unwrap();
    assert_eq!(w.grad().unwrap().as_slice::<f32>(), [3., 4., 0., 0., 6., 8.]);
    let bad = Tensor::from_slice(&[3i64], &[1]).unwrap();
    assert_eq!(embedding(&w, &bad, None).unwrap_err().to_string(), "index out of range in self");
}

#[test]
fn renorm_touches_named_rows_only() {
    let w = Tensor::from_slice(&[3f32, 4., 3., 4.], &[2, 2]).unwrap();
    embedding_renorm_(&w, &Tensor::from_slice(&[1i64], &[1]).unwrap(), 1.0, 2.0).unwrap();
    let v = w.as_slice::<f32>();
    assert_eq!(v[..2], [3., 4.]);
    assert!((v[2] - 0.6).abs() < 1e-6 && (v[3] - 0.8).abs() < 1e-6);
}
