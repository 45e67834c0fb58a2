//! Masks: fill, select, scatter, nonzero.
use super::*;

#[test]
fn masks() {
    let x = Tensor::from_slice(&[1f32, 2., 3., 4.], &[2, 2]).unwrap();
    x.set_requires_grad(true).unwrap();
    let mask = Tensor::from_slice(&[true, false, true, true], &[2, 2]).unwrap();
    let y = masked_fill(&x, &mask, &Tensor::number(-1.0, DType::F64).unwrap()).unwrap();
    assert_eq!(y.as_slice::<f32>(), [-1., 2., -1., -1.]);
    let y = masked_select(&x, &mask).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1., 3., 4.]);
    crate::autograd::backward(&[y], &[Some(Tensor::from_slice(&[5f32, 6., 7.], &[3]).unwrap())], false, false, &[])
        .unwrap();
    assert_eq!(x.grad().unwrap().as_slice::<f32>(), [5., 0., 6., 7.]);
    let y = masked_scatter(&x, &mask, &Tensor::from_slice(&[7f32, 8., 9., 10.], &[4]).unwrap()).unwrap();
    assert_eq!(y.as_slice::<f32>(), [7., 2., 8., 9.]);
    assert_eq!(nonzero(&mask).unwrap().as_slice::<i64>(), [0, 0, 1, 0, 1, 1]);
    assert_eq!(nonzero(&Tensor::scalar(3.0, DType::F32).unwrap()).unwrap().shape(), [1, 0]);
}

#[test]
fn long_masks_are_counted_in_parts() {
    let data: Vec<bool> = (0..200_000).map(|i| i % 7 == 3).collect();
    let flat = nonzero_flat(&Tensor::from_slice(&data, &[data.len()]).unwrap()).unwrap();
    let expected: Vec<i64> = (0..200_000).filter(|i| i % 7 == 3).collect();
    assert_eq!(flat.as_slice::<i64>(), expected);
    // Rows longer than a piece, in parts that begin inside rows.
    let rows = nonzero(&Tensor::from_slice(&data, &[2, 100, 1000]).unwrap()).unwrap();
    let expected: Vec<i64> = expected.iter().flat_map(|i| [i / 100_000, i / 1000 % 100, i % 1000]).collect();
    assert_eq!(rows.as_slice::<i64>(), expected);
}
