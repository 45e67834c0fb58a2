use super::*;

fn t(xs: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(xs, shape).unwrap()
}

fn slope_matches(xs: &[f64], shape: &[usize], f: impl Fn(&Tensor) -> Tensor) {
    let value = |xs: &[f64]| {
        let y = f(&t(xs, shape));
        y.as_slice::<f64>().iter().enumerate().map(|(i, v)| v * (1.0 + 0.3 * i as f64)).sum::<f64>()
    };
    let x = t(xs, shape);
    x.set_requires_grad(true).unwrap();
    let y = f(&x);
    let seed: Vec<f64> = (0..y.numel()).map(|i| 1.0 + 0.3 * i as f64).collect();
    let seed = t(&seed, y.shape());
    let g = crate::autograd::grad(&[y], &[x], &[Some(seed)], false, false, true).unwrap();
    let g = crate::copy::contiguous(g[0].as_ref().unwrap()).unwrap().as_slice::<f64>().to_vec();
    for i in 0..xs.len() {
        let (mut a, mut b) = (xs.to_vec(), xs.to_vec());
        a[i] -= 1e-6;
        b[i] += 1e-6;
        let slope = (value(&b) - value(&a)) / 2e-6;
        assert!((g[i] - slope).abs() < 1e-6 * slope.abs().max(1.0), "{i}: {} {slope}", g[i]);
    }
}

#[test]
fn forward() {
    let x = Tensor::from_slice(&[1.0f32, 5.0, 5.0, 2.0, 0.0, -1.0], &[2, 3]).unwrap();
    assert_eq!(sum(&x, &[0], false, None).unwrap().as_slice::<f32>(), [3.0, 5.0, 4.0]);
    assert_eq!(mean(&x, &[], false, None).unwrap().as_slice::<f32>(), [2.0]);
    assert_eq!(argmax(&x, Some(1), false).unwrap().as_slice::<i64>(), [1, 0]);
    assert_eq!(argmax(&x, None, false).unwrap().as_slice::<i64>(), [1]);
    assert_eq!(min_dim(&x, 0, true).unwrap().1.as_slice::<i64>(), [0, 1, 1]);
    assert_eq!(all(&x, &[1], false).unwrap().as_slice::<bool>(), [true, false]);
    assert_eq!(count_nonzero(&x, &[]).unwrap().as_slice::<i64>(), [5]);
    assert_eq!(var(&x, &[1], 1.0, false).unwrap().as_slice::<f32>(), [16.0 / 3.0, 7.0 / 3.0]);
    assert_eq!(norm(&x, f64::INFINITY, &[0], false, None).unwrap().as_slice::<f32>(), [2.0, 5.0, 5.0]);
}

#[test]
fn gradients() {
    let (xs, shape) = ([0.5, -1.2, 0.1, 2.0, 1.5, -0.3], [2, 3]);
    for dims in [&[][..], &[0], &[1], &[0, 1]] {
        slope_matches(&xs, &shape, |x| mean(x, dims, false, None).unwrap());
        slope_matches(&xs, &shape, |x| amax(x, dims, true).unwrap());
        slope_matches(&xs, &shape, |x| var(x, dims, 1.0, false).unwrap());
        slope_matches(&xs, &shape, |x| std(x, dims, 0.0, true).unwrap());
        slope_matches(&xs, &shape, |x| logsumexp(x, dims, false).unwrap());
        for p in [1.0, 2.0, 3.5, f64::INFINITY, f64::NEG_INFINITY, 0.0] {
            slope_matches(&xs, &shape, |x| norm(x, p, dims, false, None).unwrap());
        }
    }
    slope_matches(&xs, &shape, |x| max_dim(x, -1, false).unwrap().0);
    slope_matches(&[2.0, 0.0, 3.0], &[3], |x| prod(x, None, false, None).unwrap());
}

#[test]
fn refusals() {
    let empty = t(&[], &[0, 3]);
    let message = |r: Result<Tensor>| r.unwrap_err().to_string();
    assert!(message(amax(&empty, &[0], false)).contains("amax(): Expected reduction dim 0 to have non-zero size."));
    assert!(message(max(&empty)).contains("Expected reduction dim to be specified for input.numel() == 0"));
    assert!(message(mean(&Tensor::from_slice(&[1i64], &[1]).unwrap(), &[], false, None)).contains("Got: Long"));
}
