//! The kernel against its definition, values and gradients, and the running statistics.
use super::*;
use crate::autograd::grad;
use crate::op::with_define;

fn ramp(shape: &[usize], seed: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f64> = (0..n).map(|i| ((i as f64 + seed) * 1.7).sin() * 2.0 + 0.3).collect();
    let t = Tensor::from_slice(&v, shape).unwrap();
    t.set_requires_grad(true).unwrap();
    t
}
fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (copy::contiguous(a).unwrap(), copy::contiguous(b).unwrap());
    for (x, y) in a.as_slice::<f64>().iter().zip(b.as_slice::<f64>()) {
        assert!((x - y).abs() < 1e-10 * (1.0 + y.abs()), "{x} != {y}");
    }
}

#[test]
fn batch_norm_equals_its_definition() {
    for train in [true, false] {
        let (x, w, b) = (ramp(&[3, 4, 5], 0.1), ramp(&[4], 3.0), ramp(&[4], 9.0));
        let var = Tensor::from_slice(&[1.0, 2.0, 0.5, 3.0], &[4]).unwrap();
        let mean = Tensor::from_slice(&[0.1, 0.2, -0.5, 0.3], &[4]).unwrap();
        let run = || {
            let y = batch_norm(
                &x,
                Some(&w),
                Some(&b),
                (!train).then_some(&mean),
                (!train).then_some(&var),
                train,
                0.1,
                1e-5,
            )
            .unwrap();
            let s = reduce::sum(&mul(&y, &ramp(&[3, 4, 5], 7.0).detach()).unwrap(), &[], false, None).unwrap();
            let g = grad(&[s], &[x.clone(), w.clone(), b.clone()], &[], false, false, false).unwrap();
            (y, g)
        };
        let (y, g) = run();
        let (y2, g2) = with_define(true, run);
        close(&y, &y2);
        for (a, b) in g.iter().zip(&g2) {
            close(a.as_ref().unwrap(), b.as_ref().unwrap());
        }
    }
}

#[test]
fn batch_norm_moves_running_statistics() {
    let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], &[2, 2]).unwrap();
    let mean = Tensor::from_slice(&[0f32, 0.0], &[2]).unwrap();
    let var = Tensor::from_slice(&[1f32, 1.0], &[2]).unwrap();
    let before = mean.version();
    batch_norm(&x, None, None, Some(&mean), Some(&var), true, 0.5, 1e-5).unwrap();
    assert_eq!(mean.as_slice::<f32>(), [1.0, 10.0]);
    assert_eq!(var.as_slice::<f32>(), [1.5, 100.5]);
    assert!(mean.version() > before);
    let one = Tensor::from_slice(&[1.0f32, 10.0], &[1, 2]).unwrap();
    let e = batch_norm(&one, None, None, None, None, true, 0.5, 1e-5).unwrap_err().to_string();
    assert_eq!(e, "Expected more than 1 value per channel when training, got input size rsnn.Size([1, 2])");
}

#[test]
fn group_norm_equals_its_definition() {
    let (x, w, b) = (ramp(&[2, 6, 5], 0.1), ramp(&[6], 3.0), ramp(&[6], 9.0));
    let run = || {
        let y = crate::group_norm::group_norm(&x, 3, Some(&w), Some(&b), 1e-5).unwrap();
        let s = reduce::sum(&mul(&y, &ramp(&[2, 6, 5], 7.0).detach()).unwrap(), &[], false, None).unwrap();
        (y, grad(&[s], &[x.clone(), w.clone(), b.clone()], &[], false, false, false).unwrap())
    };
    let (y, g) = run();
    let (y2, g2) = with_define(true, run);
    close(&y, &y2);
    for (a, b) in g.iter().zip(&g2) {
        close(a.as_ref().unwrap(), b.as_ref().unwrap());
    }
}
