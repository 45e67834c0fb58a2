use super::*;
use crate::op::with_define;
use crate::{autograd, random};
use rsnn_core::Device;

fn randn(shape: &[usize]) -> Tensor {
    let t = random::randn(shape, DType::F64, rsnn_core::Device::Cpu, None).unwrap();
    t.set_requires_grad(true).unwrap();
    t
}

/// Kernels and definition agree in every result and gradient.
#[test]
fn rnn_kernels_are_their_definition() {
    random::manual_seed(3);
    for (kind, gates) in [(Cell::Lstm, 4), (Cell::Gru, 3), (Cell::Tanh, 1), (Cell::Relu, 1)] {
        for packed in [false, true] {
            let batch_sizes = packed.then(|| vec![3, 2, 2, 1, 1]);
            let x = randn(if packed { &[9, 2] } else { &[5, 3, 2] });
            let o = Options { has_biases: true, num_layers: 2, bidirectional: true, batch_sizes, ..Default::default() };
            let proj = if kind == Cell::Lstm { 3 } else { 0 };
            let out = if proj > 0 { proj } else { 4 };
            let mut hx = vec![randn(&[4, 3, out])];
            if kind == Cell::Lstm {
                hx.push(randn(&[4, 3, 4]));
            }
            let mut weights = vec![];
            for slot in 0..4 {
                let n = gates * 4;
                weights.push(randn(&[n, if slot < 2 { 2 } else { 2 * out }]));
                weights.extend([randn(&[n, out]), randn(&[n]), randn(&[n])]);
                if proj > 0 {
                    weights.push(randn(&[proj, 4]));
                }
            }
            let leaves: Vec<Tensor> = [x.clone()].into_iter().chain(hx.clone()).chain(weights.clone()).collect();
            let run = |define: bool| {
                with_define(define, || {
                    let results = match kind {
                        Cell::Lstm => lstm(&x, &hx, &weights, &o),
                        Cell::Gru => gru(&x, &hx[0], &weights, &o),
                        Cell::Tanh => rnn_tanh(&x, &hx[0], &weights, &o),
                        Cell::Relu => rnn_relu(&x, &hx[0], &weights, &o),
                    }
                    .unwrap();
                    let seeds: Vec<Option<Tensor>> =
                        results.iter().map(|r| crate::unary::apply_named("cos", &r.detach()).ok()).collect();
                    let grads = autograd::grad(&results, &leaves, &seeds, false, false, false).unwrap();
                    (results, grads)
                })
            };
            let ((a, da), (b, db)) = (run(false), run(true));
            let close = |x: &Tensor, y: &Tensor| {
                let (x, y) =
                    (crate::copy::contiguous(&x.detach()).unwrap(), crate::copy::contiguous(&y.detach()).unwrap());
                let (x, y) = (x.as_slice::<f64>(), y.as_slice::<f64>());
                assert!(!x.is_empty() && x.iter().zip(y).all(|(a, b)| (a - b).abs() < 1e-10), "{kind:?} {packed}");
            };
            a.iter().zip(&b).for_each(|(x, y)| close(x, y));
            da.iter().zip(&db).for_each(|(x, y)| close(x.as_ref().unwrap(), y.as_ref().unwrap()));
            assert_eq!(da.len(), leaves.len());
            assert_eq!(a[0].device(), Device::Cpu);
        }
    }
}
