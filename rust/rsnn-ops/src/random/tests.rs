//! Seeds and dropout; the streams themselves are tested against torch beside the generator.
use super::*;
use crate::op::with_define;
use crate::tensor::Tensor;
use rsnn_core::{DType, Device};

fn generator() -> Handle {
    let g = Handle::default();
    g.lock().manual_seed(0);
    g
}

#[test]
fn seed_zero_gives_torchs_numbers() {
    let g = generator();
    let y = rand(&[3], DType::F32, Device::Cpu, Some(&g)).unwrap();
    assert_eq!(y.as_slice::<f32>(), [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]);
    let y = randperm(5, DType::I64, Device::Cpu, Some(&generator())).unwrap();
    assert_eq!(y.as_slice::<i64>(), [4, 0, 1, 3, 2]);
}

#[test]
fn fills_follow_memory() {
    let x = Tensor::empty(&[2, 3], DType::F64, Device::Cpu).unwrap();
    let t = crate::view::transpose(&x, 0, 1).unwrap();
    uniform_(&t, 0.0, 1.0, Some(&generator())).unwrap();
    let plain = rand(&[2, 3], DType::F64, Device::Cpu, Some(&generator())).unwrap();
    assert_eq!(x.as_slice::<f64>(), plain.as_slice::<f64>());
}

#[test]
fn half_types_round_float32_draws() {
    let half = rand(&[20], DType::F16, Device::Cpu, Some(&generator())).unwrap();
    let single = rand(&[20], DType::F32, Device::Cpu, Some(&generator())).unwrap();
    let rounded = crate::copy::cast(&single, DType::F16).unwrap();
    assert_eq!(half.as_slice::<rsnn_core::f16>(), rounded.as_slice::<rsnn_core::f16>());
}

#[test]
fn dropout_equals_its_definition_and_reuses_its_mask() {
    let x = Tensor::from_slice(&(1..=300).map(|v| v as f32).collect::<Vec<_>>(), &[300]).unwrap();
    x.set_requires_grad(true).unwrap();
    let y = dropout_keyed(&x, 0.25, 7).unwrap();
    let defined = with_define(true, || dropout_keyed(&x, 0.25, 7)).unwrap();
    assert_eq!(y.as_slice::<f32>(), defined.as_slice::<f32>());
    let kept = y.as_slice::<f32>().iter().filter(|v| **v != 0.0).count();
    assert!((190..260).contains(&kept), "{kept} of 300 kept");
    let ones = crate::fill::full(&[300], 1.0, DType::F32, Device::Cpu).unwrap();
    crate::autograd::backward(&[y.clone()], &[Some(ones)], false, false, &[]).unwrap();
    let g = x.grad().unwrap();
    let pairs = y.as_slice::<f32>().iter().zip(g.as_slice::<f32>());
    assert!(pairs.into_iter().all(|(y, g)| (*y == 0.0) == (*g == 0.0)));
}

#[test]
fn multinomial_refuses_what_torch_refuses() {
    let p = |v: &[f32]| Tensor::from_slice(v, &[v.len()]).unwrap();
    let text = |r: rsnn_core::Result<Tensor>| r.unwrap_err().to_string();
    assert_eq!(
        text(multinomial(&p(&[f32::NAN, 1.0]), 1, false, None)),
        "probability tensor contains either `inf`, `nan` or element < 0"
    );
    assert_eq!(
        text(multinomial(&p(&[0.0, 0.0]), 2, true, None)),
        "invalid multinomial distribution (sum of probabilities <= 0)"
    );
    assert_eq!(multinomial(&p(&[0.0, 1.0]), 3, true, None).unwrap().as_slice::<i64>(), [1, 1, 1]);
}
