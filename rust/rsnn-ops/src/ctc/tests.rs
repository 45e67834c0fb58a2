use super::*;
use crate::autograd::grad;
use crate::op::with_define;
use crate::softmax::log_softmax;
use crate::{random, reduce};

/// The kernels are the definition, values and gradients, with empty targets, repeated labels and impossible samples.
#[test]
fn ctc_kernels_are_their_definition() {
    random::manual_seed(1);
    let x = random::randn(&[7, 5, 4], DType::F64, rsnn_core::Device::Cpu, None).unwrap();
    x.set_requires_grad(true).unwrap();
    let targets = Tensor::from_slice(&[1i64, 1, 2, 3, 0, 0, 2, 3, 3, 1, 1, 1, 1, 2, 1], &[5, 3]).unwrap();
    for zero_infinity in [true, false] {
        let lengths = if zero_infinity { [3, 1, 0, 3, 2] } else { [3, 1, 0, 2, 2] };
        let run = |define: bool| {
            with_define(define, || {
                let logp = log_softmax(&x, 2, None).unwrap();
                let loss = ctc_loss(&logp, &targets, &[7, 6, 7, 4, 5], &lengths, 0, zero_infinity).unwrap();
                let total = reduce::sum(&loss, &[], false, None).unwrap();
                let found = grad(&[total], &[x.clone(), logp], &[None], false, false, false).unwrap();
                let grads: Vec<Vec<f64>> = found.iter().flatten().map(|g| g.as_slice().to_vec()).collect();
                (loss.as_slice::<f64>().to_vec(), grads.concat())
            })
        };
        let ((a, da), (b, db)) = (run(false), run(true));
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-10), "{a:?} {b:?}");
        assert!(da.len() == 280 && da.iter().zip(&db).all(|(x, y)| (x - y).abs() < 1e-10), "{da:?} {db:?}");
    }
}
