use super::*;

fn values(name: &str, xs: &[f64], p: Params) -> Vec<f64> {
    let x = Tensor::from_slice(xs, &[xs.len()]).unwrap();
    unary(name, &x, p).unwrap().as_slice::<f64>().to_vec()
}

fn close(a: &[f64], b: &[f64]) {
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0) || (a.is_nan() && b.is_nan()) || a == b, "{a} {b}");
    }
}

#[test]
fn special_functions() {
    close(
        &values("erfinv", &[0.0, 0.5, -0.9, 0.999_999, 1.0, 2.0], [0.0; 3]),
        &[0.0, 0.476_936_276_204_469_9, -1.163_087_153_676_674_3, 3.458_910_737_275_499, f64::INFINITY, f64::NAN],
    );
    close(
        &values("digamma", &[1.0, 0.1, -0.5, 20.0], [0.0; 3]),
        &[-0.577_215_664_901_532_9, -10.423_754_940_411_076, 0.036_489_973_978_576_52, 2.970_523_992_242_149_3],
    );
    close(
        &values("polygamma", &[1.0, 0.5, -0.5], [1.0, 0.0, 0.0]),
        &[1.644_934_066_848_226_4, 4.934_802_200_544_679, 8.934_802_200_544_679],
    );
    close(&values("round", &[0.5, 1.5, -2.5, 2.4], [0.0; 3]), &[0.0, 2.0, -2.0, 2.0]);
}

/// Every fused gradient agrees with central differences and with the gradient in tensor ops.
#[test]
fn gradients_agree() {
    for row in rows() {
        let p: Params = match row.name {
            "softplus" => [2.0, 20.0, 0.0],
            "leaky_relu" | "hardshrink" | "softshrink" => [0.1, 0.0, 0.0],
            "elu" => [1.3, 0.9, 0.7],
            "hardtanh" | "clamp" => [-0.5, 0.6, 0.0],
            "threshold" => [0.2, 0.7, 0.0],
            "huber" => [0.9, 1.3, 0.0],
            "polygamma" => [1.0, 0.0, 0.0],
            _ => [0.0; 3],
        };
        let xs: &[f64] = match row.name {
            "acosh" => &[1.2, 2.5, 7.0],
            "log" | "log2" | "log10" | "sqrt" | "sqrt_zero_slope" | "rsqrt" | "log1p" => &[0.3, 1.7, 9.0],
            "logit" | "ndtri" | "entr" => &[0.2, 0.5, 0.9],
            "asin" | "acos" | "atanh" | "erfinv" => &[-0.7, 0.1, 0.8],
            _ => &[-5.3, -0.73, 0.31, 1.45, 7.7],
        };
        let h = 1e-6;
        let left = values(row.name, &xs.iter().map(|x| x - h).collect::<Vec<_>>(), p);
        let right = values(row.name, &xs.iter().map(|x| x + h).collect::<Vec<_>>(), p);
        for create in [false, true] {
            let x = Tensor::from_slice(xs, &[xs.len()]).unwrap();
            x.set_requires_grad(true).unwrap();
            let y = unary(row.name, &x, p).unwrap();
            let seed = Tensor::from_slice(&vec![1.0; xs.len()], &[xs.len()]).unwrap();
            let g = crate::autograd::grad(&[y], &[x], &[Some(seed)], true, create, true).unwrap();
            let g = g[0].as_ref().unwrap().as_slice::<f64>().to_vec();
            for i in 0..xs.len() {
                let slope = (right[i] - left[i]) / (2.0 * h);
                assert!(
                    (g[i] - slope).abs() < 2e-6 * slope.abs().max(1.0),
                    "{} at {}: {} {slope}",
                    row.name,
                    xs[i],
                    g[i]
                );
            }
        }
    }
}

#[test]
fn integers_promote_stay_or_are_refused() {
    let x = Tensor::from_slice(&[-2i64, 3], &[2]).unwrap();
    assert_eq!(unary("exp", &x, [0.0; 3]).unwrap().dtype(), DType::F32);
    assert_eq!(unary("relu", &x, [0.0; 3]).unwrap().as_slice::<i64>(), [0, 3]);
    assert!(unary("silu", &x, [0.0; 3]).unwrap_err().to_string().contains("\"silu_cpu\" not implemented for 'Long'"));
    assert_eq!(clamp(&x, Some(0.0), None, false).unwrap().as_slice::<i64>(), [0, 3]);
    assert_eq!(unary("bitwise_not", &x, [0.0; 3]).unwrap().as_slice::<i64>(), [1, -4]);
}

#[test]
fn in_place_writes_and_moves_the_version() {
    let x = Tensor::from_slice(&vec![-1.0f32; 5000], &[5000]).unwrap();
    let version = x.version();
    unary_("abs", &x, [0.0; 3]).unwrap();
    assert!(x.as_slice::<f32>().iter().all(|&v| v == 1.0) && x.version() > version);
}
