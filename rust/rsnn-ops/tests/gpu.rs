//! Whole ops and their gradients on the first GPU against the CPU.
//! Skips, saying so, without an adapter; RSNN_REQUIRE_GPU=1 makes that a failure.
#![allow(clippy::unwrap_used, clippy::panic)]
use rsnn_ops::elementwise::{self, Binary};
use rsnn_ops::{DType, Device, Result, Tensor, apply, autograd, copy, device, fill, layer_norm, matmul, op, reduce};
use rsnn_ops::{select, softmax, unary, view};

const GPU: Device = Device::Gpu(0);

/// False after printing why the test does nothing.
fn gpu() -> bool {
    let Err(error) = Tensor::empty(&[1], DType::F32, GPU) else { return true };
    assert!(std::env::var("RSNN_REQUIRE_GPU").as_deref() != Ok("1"), "RSNN_REQUIRE_GPU=1: {error}");
    println!("skipped: {error}");
    false
}

/// Reproducible values in [-scale, scale).
fn random(shape: &[usize], seed: u64, scale: f32) -> Tensor {
    let mut state = seed * 2 + 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
        })
        .collect();
    Tensor::from_slice(&values, shape).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    let x = copy::contiguous(&device::to_device(&x.detach(), Device::Cpu).unwrap()).unwrap();
    copy::cast(&x, DType::F64).unwrap().as_slice::<f64>().to_vec()
}

#[track_caller]
fn assert_close(name: &str, got: &Tensor, want: &Tensor, tol: f64) {
    assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{name}");
    assert_eq!(got.device(), GPU, "{name}");
    for (i, (g, w)) in values(got).into_iter().zip(values(want)).enumerate() {
        let same = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= tol * (1.0 + w.abs());
        assert!(same, "{name}, element {i}: got {g}, expected {w}");
    }
}

/// `f` on copies of `ins` on the GPU gives what it gives on the CPU, and so do its gradients.
#[track_caller]
fn check(name: &str, ins: &[Tensor], tol: f64, f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let run = |to: Device| -> Result<(Tensor, Vec<Tensor>)> {
        let leaves: Vec<Tensor> = ins.iter().map(|t| device::to_device(&t.detach(), to)).collect::<Result<_>>()?;
        leaves.iter().filter(|t| t.dtype().is_float()).try_for_each(|t| t.set_requires_grad(true))?;
        let y = f(&leaves)?;
        if !y.requires_grad() {
            return Ok((y, vec![]));
        }
        let g = device::to_device(&random(y.shape(), 99, 1.0), to)?;
        autograd::backward(&[y.clone()], &[Some(g)], false, false, &[])?;
        Ok((y.detach(), leaves.iter().filter_map(Tensor::grad).collect()))
    };
    let (want, want_grads) = run(Device::Cpu).unwrap_or_else(|e| panic!("{name} on cpu: {e}"));
    let (got, grads) = run(GPU).unwrap_or_else(|e| panic!("{name} on gpu: {e}"));
    assert_close(name, &got, &want, tol);
    assert_eq!(grads.len(), want_grads.len(), "{name}");
    grads.iter().zip(&want_grads).for_each(|(g, w)| assert_close(&format!("gradient of {name}"), g, w, tol));
}

#[test]
fn fills_and_copies() {
    if !gpu() {
        return;
    }
    for dtype in [DType::F32, DType::I32, DType::I64, DType::U8, DType::Bool] {
        for n in [0, 1, 3, 8, 257] {
            let x = fill::full(&[n], 1.0, dtype, GPU).unwrap();
            assert_eq!(values(&x), vec![1.0; n], "{dtype:?}");
        }
        for to in [DType::F32, DType::I32, DType::I64, DType::U8, DType::Bool] {
            let x = copy::cast(&Tensor::from_slice(&[0.0f32, 1.0, 2.0, 7.0, 200.0], &[5]).unwrap(), dtype).unwrap();
            let want = copy::cast(&x, to).unwrap();
            assert_close("cast", &copy::cast(&device::to_device(&x, GPU).unwrap(), to).unwrap(), &want, 0.0);
        }
    }
    let x = random(&[3, 4, 5], 1, 2.0);
    check("transpose", &[x.clone()], 0.0, |t| copy::to_contiguous(&view::transpose(&t[0], 0, 2)?));
    check("slice", &[x.clone()], 0.0, |t| copy::to_contiguous(&view::slice(&t[0], 1, 1, 2, 2)));
    let y = device::to_device(&x, GPU).unwrap();
    fill::fill_raw(&view::slice(&y, 2, 1, 2, 1), 9.0).unwrap();
    fill::fill_raw(&view::slice(&x, 2, 1, 2, 1), 9.0).unwrap();
    assert_close("fill of a view", &y, &x, 0.0);
}

#[test]
fn binary_ops_broadcast() {
    if !gpu() {
        return;
    }
    use Binary::{Add, Atan2, Div, FloorDivide, Fmod, Maximum, Minimum, Mul, Pow, Remainder, Sub};
    let (a, b) = (random(&[2, 3, 4], 2, 3.0), random(&[3, 1], 3, 3.0));
    for kind in [Add, Sub, Mul, Div, Maximum, Minimum, Atan2] {
        let f = |t: &[Tensor]| apply(kind, &[t[0].clone(), t[1].clone()]);
        check("binary", &[a.clone(), b.clone()], 1e-5, f);
        check("binary, same shape", &[a.clone(), random(&[2, 3, 4], 4, 2.0)], 1e-5, f);
        check("binary, transposed", &[view::transpose(&a, 0, 2).unwrap(), b.clone()], 1e-5, f);
        check("number", &[a.clone()], 1e-5, |t| apply(kind, &[t[0].clone(), Tensor::number(1.5, DType::F64)?]));
        check("number first", &[a.clone()], 1e-5, |t| apply(kind, &[Tensor::number(1.5, DType::F64)?, t[0].clone()]));
    }
    let base =
        elementwise::add(&unary::apply_named("abs", &a).unwrap(), &Tensor::number(0.5, DType::F32).unwrap()).unwrap();
    check("pow", &[base, b.clone()], 1e-4, |t| apply(Pow, &[t[0].clone(), t[1].clone()]));
    for kind in [FloorDivide, Remainder, Fmod] {
        check("division", &[a.clone()], 1e-5, |t| apply(kind, &[t[0].detach(), Tensor::number(0.75, DType::F64)?]));
    }
}

#[test]
fn comparisons_and_where() {
    if !gpu() {
        return;
    }
    use Binary::{Eq, Ge, Gt, Le, LogicalAnd, LogicalOr, LogicalXor, Lt, Ne};
    let whole = |seed| unary::apply_named("round", &random(&[5, 7], seed, 3.0)).unwrap();
    for kind in [Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor] {
        for dtype in [DType::F32, DType::I32, DType::I64, DType::U8, DType::Bool] {
            let ins = [4, 5].map(|seed| copy::cast(&unary::apply_named("abs", &whole(seed)).unwrap(), dtype).unwrap());
            check("comparison", &ins, 0.0, |t| apply(kind, &[t[0].detach(), t[1].detach()]));
            check("with a number", &ins, 0.0, |t| apply(kind, &[t[0].detach(), Tensor::integer(1)?]));
        }
    }
    check("where", &[random(&[5, 7], 6, 1.0), random(&[7], 7, 1.0)], 0.0, |t| {
        let c = apply(Gt, &[t[0].detach(), Tensor::number(0.0, DType::F64)?])?;
        select::where_(&c, &t[0], &t[1])
    });
}

#[test]
fn unary_ops() {
    if !gpu() {
        return;
    }
    let mut found = 0;
    for row in unary::rows() {
        let params = match row.name {
            "elu" => [0.7, 1.1, 0.9],
            "softplus" => [1.5, 20.0, 0.0],
            "hardtanh" | "clamp" => [-0.5, 0.75, 0.0],
            "threshold" => [0.25, -1.0, 0.0],
            "round" => [0.0; 3],
            _ => [0.4, 0.0, 0.0],
        };
        let x = random(&[4, 33], 8, 2.5);
        let domain = ["sqrt", "rsqrt", "log", "log1p", "sqrt_zero_slope"].contains(&row.name);
        let x = if domain { unary::apply_named("abs", &x).unwrap() } else { x };
        match unary::apply_row(row, &device::to_device(&x, GPU).unwrap(), params) {
            Err(error) => assert!(error.to_string().contains("no kernel for float32 on device gpu"), "{error}"),
            Ok(_) => {
                found += 1;
                check(row.name, &[x.clone()], 2e-5, |t| unary::apply_row(row, &t[0], params));
                // Three elements and an offset: the path without vec4.
                check(row.name, &[x], 2e-5, |t| unary::apply_row(row, &view::slice(&t[0], 1, 1, 3, 1), params));
            }
        }
    }
    assert!(found >= 35, "{found} ops");
}

#[test]
fn reductions() {
    if !gpu() {
        return;
    }
    let x = random(&[3, 70, 5], 9, 1.0);
    for dims in [vec![], vec![0], vec![1], vec![-1], vec![0, 2], vec![0, 1]] {
        for keep in [false, true] {
            check("sum", &[x.clone()], 1e-5, |t| reduce::sum(&t[0], &dims, keep, None));
            check("mean", &[x.clone()], 1e-5, |t| reduce::mean(&t[0], &dims, keep, None));
            check("amax", &[x.clone()], 1e-5, |t| reduce::amax(&t[0], &dims, keep));
            check("amin", &[x.clone()], 1e-5, |t| reduce::amin(&t[0], &dims, keep));
        }
    }
    check("long sum", &[random(&[40_000], 10, 1.0)], 1e-4, |t| reduce::sum(&t[0], &[], false, None));
    check("empty sum", &[random(&[0, 4], 10, 1.0)], 0.0, |t| reduce::sum(&t[0], &[0], false, None));
    check("count", &[random(&[9, 5], 11, 1.0)], 0.0, |t| {
        reduce::sum(&apply(Binary::Gt, &[t[0].detach(), Tensor::number(0.0, DType::F64)?])?, &[0], false, None)
    });
}

#[test]
fn matrix_products() {
    if !gpu() {
        return;
    }
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[3, 5], &[5, 4]),
        (&[65, 130], &[130, 70]),
        (&[2, 3, 17, 8], &[2, 3, 8, 9]),
        (&[2, 1, 4, 8], &[3, 8, 5]),
        (&[2, 2, 2, 3, 4], &[2, 4, 3]),
        (&[6], &[6]),
        (&[2, 5, 6], &[6]),
        (&[2, 0], &[0, 3]),
    ];
    for (a, b) in shapes {
        let (a, b) = (random(a, 12, 1.0), random(b, 13, 1.0));
        check("matmul", &[a.clone(), b.clone()], 2e-5, |t| matmul::matmul(&t[0], &t[1]));
        if a.ndim() == 2 {
            let turn = |t: &Tensor| copy::contiguous(&view::transpose(t, 0, 1).unwrap()).unwrap();
            check("transposed", &[turn(&a), turn(&b)], 2e-5, |t| {
                matmul::matmul(&view::transpose(&t[0], 0, 1)?, &view::transpose(&t[1], 0, 1)?)
            });
        }
    }
}

#[test]
fn softmax_and_layer_norm() {
    if !gpu() {
        return;
    }
    for shape in [&[4usize, 7][..], &[2, 3, 300], &[1]] {
        for dim in [0, -1] {
            let x = random(shape, 14, 5.0);
            check("softmax", &[x.clone()], 1e-5, |t| softmax::softmax(&t[0], dim, None));
            check("log_softmax", &[x], 1e-5, |t| softmax::log_softmax(&t[0], dim, None));
        }
    }
    for (rows, n) in [(5usize, 6usize), (3, 257), (300, 20)] {
        let ins = [random(&[rows, n], 15, 3.0), random(&[n], 16, 1.0), random(&[n], 17, 1.0)];
        check("layer_norm", &ins, 1e-4, |t| layer_norm::layer_norm(&t[0], &[n], Some(&t[1]), Some(&t[2]), 1e-5));
        check("without bias", &ins[..2], 1e-4, |t| layer_norm::layer_norm(&t[0], &[n], Some(&t[1]), None, 1e-5));
        check("bias only", &ins[..2], 1e-4, |t| layer_norm::layer_norm(&t[0], &[n], None, Some(&t[1]), 1e-5));
        check("plain", &ins[..1], 1e-4, |t| layer_norm::layer_norm(&t[0], &[n], None, None, 1e-5));
        check("rms_norm", &ins[..2], 1e-4, |t| layer_norm::rms_norm(&t[0], &[n], Some(&t[1]), 1e-5));
    }
}

#[test]
fn in_place_and_refusals() {
    if !gpu() {
        return;
    }
    let x = device::to_device(&random(&[4, 4], 18, 1.0), GPU).unwrap();
    let column = view::slice(&x, 1, 1, 1, 1);
    let want = device::to_device(&x, Device::Cpu).unwrap();
    elementwise::add_into(&column, &device::to_device(&random(&[4, 1], 19, 1.0), GPU).unwrap()).unwrap();
    elementwise::add_into(&view::slice(&want, 1, 1, 1, 1), &random(&[4, 1], 19, 1.0)).unwrap();
    assert_close("add into a column", &x, &want, 0.0);

    let text = |r: Result<Tensor>| r.err().map(|e| e.to_string()).unwrap_or_default();
    let wide = Tensor::scalar(1.0, DType::F64).unwrap();
    let refused = text(device::to_device(&wide, GPU));
    assert_eq!(refused, "gpu: float64 is not supported, move to float32 or stay on the CPU");
    assert!(text(device::to_device(&Tensor::scalar(1.0, DType::F16).unwrap(), GPU)).contains("float16"));
    assert!(text(elementwise::add(&x, &random(&[4, 4], 1, 1.0))).contains("same device"));
    let whole = fill::full(&[3], 1.0, DType::I64, GPU).unwrap();
    assert!(text(elementwise::add(&whole, &whole)).contains("add: no kernel for int64 on device gpu"));
    assert!(text(op::apply(Binary::ShiftLeft, &[whole.clone(), whole])).contains("device gpu"));
}
