//! Windows against plain loops, gradients, and torch's corner cases.
use super::*;
use crate::autograd::grad;
use crate::elementwise::mul;
use crate::reduce;

fn ramp(shape: &[usize], seed: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f64> = (0..n).map(|i| ((i as f64 + seed) * 1.37).sin()).collect();
    let t = Tensor::from_slice(&v, shape).unwrap();
    t.set_requires_grad(true).unwrap();
    t
}
fn total(t: &Tensor) -> Tensor {
    reduce::sum(t, &[], false, None).unwrap()
}
fn gradient(y: &Tensor, seed: &Tensor, x: &Tensor) -> Vec<f64> {
    let g = grad(&[total(&mul(y, seed).unwrap())], &[x.clone()], &[], false, false, false).unwrap();
    g[0].as_ref().unwrap().as_slice::<f64>().to_vec()
}
fn close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).for_each(|(x, y)| assert!((x - y).abs() < 1e-12, "{x} != {y}"));
}

#[test]
fn pools_equal_plain_loops() {
    // Kernel, stride, padding, dilation, ceil_mode over a plane wide enough for windows in lanes.
    const HIGH: i64 = 7;
    const WIDE: i64 = 29;
    let plane_len = (HIGH * WIDE) as usize;
    for (k, s, p, d, ceil) in [
        (2, 2, 0, 1, false),
        (3, 2, 1, 1, true),
        (3, 1, 1, 2, false),
        (2, 3, 1, 1, true),
        (3, 2, 1, 2, true),
        (5, 4, 2, 1, false),
    ] {
        let x = ramp(&[2, 3, HIGH as usize, WIDE as usize], 0.2);
        let (y, at) = max_pool(&x, &[k, k], &[s, s], &[p, p], &[d, d], ceil).unwrap();
        let (oh, ow) = (y.shape()[2], y.shape()[3]);
        let mean = (d == 1).then(|| avg_pool(&x, &[k, k], &[s, s], &[p, p], ceil, false, None).unwrap());
        let v = x.as_slice::<f64>();
        let seed = ramp(y.shape(), 4.0).detach();
        let (mut dmax, mut davg) = (vec![0.0; v.len()], vec![0.0; v.len()]);
        for o in 0..y.numel() {
            let (plane, i, j) = (o / (oh * ow), (o / ow % oh) as i64, (o % ow) as i64);
            let window: Vec<usize> = (0..k * k)
                .map(|t| (i * s - p + t / k * d, j * s - p + t % k * d))
                .filter(|&(a, b)| (0..HIGH).contains(&a) && (0..WIDE).contains(&b))
                .map(|(a, b)| plane * plane_len + (a * WIDE + b) as usize)
                .collect();
            let best = window.iter().copied().reduce(|a, b| if v[b] > v[a] { b } else { a }).unwrap();
            assert_eq!((y.as_slice::<f64>()[o], at.as_slice::<i64>()[o]), (v[best], (best % plane_len) as i64));
            dmax[best] += seed.as_slice::<f64>()[o];
            if let Some(mean) = &mean {
                let n = window.len() as f64;
                close(&mean.as_slice::<f64>()[o..=o], &[window.iter().map(|&w| v[w]).sum::<f64>() / n]);
                window.iter().for_each(|&w| davg[w] += seed.as_slice::<f64>()[o] / n);
            }
        }
        close(&gradient(&y, &seed, &x), &dmax);
        if let Some(mean) = mean {
            close(&gradient(&mean, &seed, &x), &davg);
        }
    }
}

#[test]
fn avg_pool_counts_padding_and_divisors() {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 1, 5]).unwrap();
    let run = |ceil, include, divisor| {
        let y = avg_pool(&x, &[3], &[2], &[1], ceil, include, divisor).unwrap();
        y.as_slice::<f32>().to_vec()
    };
    assert_eq!(run(false, true, None), [1.0, 3.0, 3.0]);
    assert_eq!(run(false, false, None), [1.5, 3.0, 4.5]);
    assert_eq!(run(false, true, Some(2)), [1.5, 4.5, 4.5]);
    // A window past the end counts only what lies within input and padding.
    let y = avg_pool(&x, &[2], &[3], &[0], true, true, None).unwrap();
    assert_eq!(y.as_slice::<f32>(), [1.5, 4.5]);
    let y = avg_pool(&x, &[4], &[3], &[0], true, true, None).unwrap();
    assert_eq!(y.as_slice::<f32>(), [2.5, 4.5]);
}

#[test]
fn adaptive_windows_overlap_and_nan_wins() {
    let x = Tensor::from_slice(&[1.0f32, 5.0, f32::NAN, 2.0, 3.0], &[1, 5]).unwrap();
    let (y, at) = adaptive_max_pool(&x, &[3]).unwrap();
    assert_eq!(at.as_slice::<i64>(), [1, 2, 4]);
    assert!(y.as_slice::<f32>()[1].is_nan());
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 5]).unwrap();
    assert_eq!(adaptive_avg_pool(&x, &[3]).unwrap().as_slice::<f32>(), [1.5, 3.0, 4.5]);
    assert_eq!(adaptive_avg_pool(&x, &[1]).unwrap().as_slice::<f32>(), [3.0]);
    let x = Tensor::from_slice(&[f32::NEG_INFINITY; 4], &[1, 4]).unwrap();
    assert_eq!(max_pool(&x, &[2], &[], &[0], &[1], false).unwrap().1.as_slice::<i64>(), [0, 2]);
    let x = Tensor::from_slice(&[3i64, i64::MIN, i64::MIN, i64::MIN], &[1, 4]).unwrap();
    assert_eq!(max_pool(&x, &[2], &[], &[0], &[1], false).unwrap().0.as_slice::<i64>(), [3, i64::MIN]);
}

#[test]
fn pools_have_second_derivatives() {
    let x = ramp(&[1, 2, 6], 0.3);
    let (y, at) = max_pool(&x, &[3], &[2], &[1], &[1], false).unwrap();
    let cube = mul(&mul(&y, &y).unwrap(), &y).unwrap();
    let g = grad(&[total(&cube)], &[x.clone()], &[], true, true, false).unwrap();
    let gg = grad(&[total(g[0].as_ref().unwrap())], &[x.clone()], &[], false, false, false).unwrap();
    let mut want = [0.0; 12];
    for (o, (v, p)) in y.as_slice::<f64>().iter().zip(at.as_slice::<i64>()).enumerate() {
        want[o / 3 * 6 + *p as usize] += 6.0 * v;
    }
    close(gg[0].as_ref().unwrap().as_slice::<f64>(), &want);
    let y = avg_pool(&x, &[2], &[2], &[0], false, true, None).unwrap();
    let g = grad(&[total(&mul(&y, &y).unwrap())], &[x.clone()], &[], true, true, false).unwrap();
    let gg = grad(&[total(g[0].as_ref().unwrap())], &[x.clone()], &[], false, false, false).unwrap();
    close(gg[0].as_ref().unwrap().as_slice::<f64>(), &[1.0; 12]);
}

#[test]
fn pools_refuse_with_torch_messages() {
    let x = |shape: &[usize]| ramp(shape, 0.0).detach();
    let text = |r: Result<(Tensor, Tensor)>| r.unwrap_err().to_string();
    assert_eq!(
        text(max_pool(&x(&[1, 3, 5, 5]), &[3, 3], &[], &[2, 2], &[1, 1], false)),
        "pad should be at most half of effective kernel size, but got pad=2, kernel_size=3 and dilation=1"
    );
    assert_eq!(
        text(max_pool(&x(&[1, 3, 5, 5]), &[6, 6], &[], &[0, 0], &[1, 1], false)),
        "Given input size: (3x5x5). Calculated output size: (3x0x0). Output size is too small"
    );
    assert_eq!(
        text(max_pool(&x(&[1, 1, 5]), &[6], &[], &[0], &[1], false)),
        "max_pool1d() Invalid computed output size: 0"
    );
    assert_eq!(
        text(max_pool(&x(&[2, 0, 5, 5]), &[3, 3], &[], &[0, 0], &[1, 1], false)),
        "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:[2, 0, 5, 5]"
    );
    assert_eq!(
        text(adaptive_max_pool(&x(&[5, 5]), &[3, 3])),
        "adaptive_max_pool2d(): Expected 3D or 4D tensor, but got: [5, 5]"
    );
}
