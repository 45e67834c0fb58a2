use super::*;

fn t(xs: &[f64], shape: &[usize]) -> Tensor {
    let x = Tensor::from_slice(xs, shape).unwrap();
    x.set_requires_grad(true).unwrap();
    x
}

/// Central differences of `sum(w * f(x))`, `w` all different.
fn check(xs: &[f64], shape: &[usize], f: impl Fn(&Tensor) -> Tensor) {
    let value = |xs: &[f64]| {
        let y = f(&Tensor::from_slice(xs, shape).unwrap());
        y.as_slice::<f64>().iter().enumerate().map(|(i, v)| v * (1.0 + 0.3 * i as f64)).sum::<f64>()
    };
    let x = t(xs, shape);
    let y = f(&x);
    let seed: Vec<f64> = (0..y.numel()).map(|i| 1.0 + 0.3 * i as f64).collect();
    let seed = Tensor::from_slice(&seed, y.shape()).unwrap();
    let g = crate::autograd::grad(&[y], &[x], &[Some(seed)], false, false, true).unwrap();
    let g = g[0].as_ref().unwrap().as_slice::<f64>().to_vec();
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
    let x = Tensor::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3]).unwrap();
    assert_eq!(cumsum(&x, 0, None).unwrap().as_slice::<i64>(), [1, 2, 3, 5, 7, 9]);
    assert_eq!(cumprod(&x, 1, None).unwrap().as_slice::<i64>(), [1, 2, 6, 4, 20, 120]);
    let x = Tensor::from_slice(&[1.0f32, 3.0, 3.0, f32::NAN, 5.0], &[5]).unwrap();
    let (v, i) = cummax(&x, 0).unwrap();
    assert_eq!(i.as_slice::<i64>(), [0, 1, 2, 3, 3]);
    assert!(v.as_slice::<f32>()[4].is_nan());
}

#[test]
fn gradients() {
    let (xs, shape) = ([0.5, -1.2, 0.0, 2.0, 1.5, -0.3], [2, 3]);
    for dim in [0, 1] {
        check(&xs, &shape, |x| cumsum(x, dim, None).unwrap());
        check(&xs, &shape, |x| cumprod(x, dim, None).unwrap());
        check(&xs, &shape, |x| cumprod_from(x, dim as usize, true).unwrap());
        check(&xs, &shape, |x| cummin(x, dim).unwrap().0);
        check(&xs, &shape, |x| logcumsumexp(x, dim).unwrap());
        check(&xs, &shape, |x| crate::reduce::prod(x, Some(dim), false, None).unwrap());
        for (reverse, shifted) in [(false, false), (false, true), (true, false), (true, true)] {
            check(&xs, &shape, |x| recur(x, &mul(x, x).unwrap(), dim as usize, reverse, shifted).unwrap());
        }
    }
}
