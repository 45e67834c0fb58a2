//! cat and stack against hand-made results, the legacy empty tensor, and views.
use super::*;

fn f(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).unwrap()
}

#[test]
fn cat_promotes_and_skips_the_legacy_empty_tensor() {
    let (a, b) = (f(&[1., 2.], &[1, 2]), Tensor::from_slice(&[3i64, 4], &[1, 2]).unwrap());
    let empty = Tensor::empty(&[0], DType::F64, rsnn_core::Device::Cpu).unwrap();
    let y = cat(&[a.clone(), empty, b], 0).unwrap();
    assert_eq!((y.dtype(), y.shape()), (DType::F64, &[2, 2][..]));
    assert_eq!(y.as_slice::<f64>(), [1., 2., 3., 4.]);
    let y = cat(&[a.clone(), a.clone()], -1).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1., 2., 1., 2.]);
    let text = cat(&[a, f(&[1.], &[1, 1])], 0).unwrap_err().to_string();
    assert_eq!(
        text,
        "Sizes of tensors must match except in dimension 0. Expected size 2 but got size 1 for tensor number 1 in the list."
    );
}

#[test]
fn stack_splits_its_gradient() {
    let (a, b) = (f(&[1., 2.], &[2]), f(&[3., 4.], &[2]));
    a.set_requires_grad(true).unwrap();
    let y = stack(&[a.clone(), b], 1).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1., 3., 2., 4.]);
    crate::autograd::backward(&[y], &[Some(f(&[1., 2., 3., 4.], &[2, 2]))], false, false, &[]).unwrap();
    assert_eq!(a.grad().unwrap().as_slice::<f32>(), [1., 3.]);
}

#[test]
fn chunks_and_splits() {
    let x = f(&[0.; 15], &[5, 3]);
    let lens = |v: Vec<Tensor>| v.iter().map(|t| t.shape()[0]).collect::<Vec<_>>();
    assert_eq!(lens(chunk(&x, 4, 0).unwrap()), [2, 2, 1]);
    assert_eq!(lens(split(&x, 4, 0).unwrap()), [4, 1]);
    assert_eq!(unbind(&x, 1).unwrap().len(), 3);
    assert!(split(&x, 0, 0).is_err() && split_with_sizes(&x, &[1, 1], 0).is_err());
}
