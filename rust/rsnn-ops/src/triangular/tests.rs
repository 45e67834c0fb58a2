//! Triangles of batches, off-range diagonals, index lists.
use super::*;

#[test]
fn triangles() {
    let x = Tensor::from_slice(&(1..=12).map(|v| v as f32).collect::<Vec<_>>(), &[2, 2, 3]).unwrap();
    let low = tril(&x, 0).unwrap();
    assert_eq!(low.as_slice::<f32>(), [1., 0., 0., 4., 5., 0., 7., 0., 0., 10., 11., 0.]);
    let up = triu(&x, 1).unwrap();
    assert_eq!(up.as_slice::<f32>(), [0., 2., 3., 0., 0., 6., 0., 8., 9., 0., 0., 12.]);
    assert!(tril(&x, -5).unwrap().as_slice::<f32>().iter().all(|&v| v == 0.));
    assert_eq!(triu(&x, i64::MIN).unwrap().as_slice::<f32>(), x.as_slice::<f32>());
    let t = triu_indices(2, 3, 1, DType::I64, Device::Cpu).unwrap();
    assert_eq!(t.as_slice::<i64>(), [0, 0, 1, 1, 2, 2]);
}
