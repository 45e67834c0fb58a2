//! Every kernel against plain loops over the definition, and gradients of gradients against finite steps.
use super::*;
use crate::autograd::grad;
use crate::elementwise::mul;

fn ramp(shape: &[usize], seed: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f64> = (0..n).map(|i| ((i as f64 + seed) * 1.37).sin()).collect();
    Tensor::from_slice(&v, shape).unwrap()
}
fn values(t: &Tensor) -> Vec<f64> {
    crate::copy::contiguous(t).unwrap().as_slice::<f64>().to_vec()
}
fn close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() < 1e-9 * (1.0 + y.abs()), "element {i}: {x} != {y}");
    }
}
fn total(t: &Tensor) -> Tensor {
    reduce::sum(t, &[], false, None).unwrap()
}

/// Calls `f(y, x, w)` with the flat indices of every product that makes up the output.
fn each_product(n: usize, g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let at = |size: [usize; 3], i: usize| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]];
    for s in 0..n * g.groups {
        for (o, p) in (0..g.co).flat_map(|o| (0..g.out_len()).map(move |p| (o, p))) {
            for (c, k) in (0..g.ci).flat_map(|c| (0..g.taps()).map(move |k| (c, k))) {
                let (op, kk) = (at(g.output, p), at(g.kernel, k));
                let i = [0, 1, 2].map(|a| (op[a] * g.stride[a] + kk[a] * g.dilation[a]) as i64 - g.pad[a] as i64);
                if (0..3).all(|a| i[a] >= 0 && i[a] < g.input[a] as i64) {
                    let i = (i[0] as usize * g.input[1] + i[1] as usize) * g.input[2] + i[2] as usize;
                    let w = ((s % g.groups * g.co + o) * g.ci + c) * g.taps() + k;
                    f((s * g.co + o) * g.out_len() + p, (s * g.ci + c) * g.in_len() + i, w);
                }
            }
        }
    }
}

type Case = (&'static [usize], &'static [usize], &'static [i64], &'static [i64], &'static [i64], i64);
const CASES: &[Case] = &[
    (&[2, 3, 9], &[4, 3, 3], &[1], &[0], &[1], 1),
    (&[2, 4, 11], &[6, 2, 3], &[2], &[2], &[2], 2),
    (&[2, 3, 7, 8], &[5, 3, 1, 1], &[1], &[0], &[1], 1),
    (&[2, 3, 7, 8], &[5, 3, 1, 1], &[2], &[1], &[1], 1),
    (&[1, 4, 7, 9], &[6, 2, 3, 2], &[2, 1], &[1, 3], &[1, 2], 2),
    (&[2, 4, 7, 9], &[4, 1, 3, 3], &[1], &[1], &[1], 4),
    (&[2, 3, 8, 9], &[6, 1, 3, 2], &[2, 3], &[1, 2], &[2, 1], 3),
    (&[1, 2, 4, 5, 6], &[4, 2, 2, 3, 3], &[1, 2, 1], &[1, 0, 2], &[2, 1, 1], 1),
    (&[1, 2, 70, 70], &[3, 2, 5, 5], &[1], &[4], &[1], 1),
    (&[3, 2, 70, 70], &[2, 1, 3, 3], &[1], &[1], &[1], 2),
    (&[0, 3, 7], &[4, 3, 3], &[1], &[0], &[1], 1),
    (&[2, 0, 7], &[4, 0, 3], &[1], &[0], &[1], 1),
];

#[test]
fn conv_and_its_gradients_equal_plain_loops() {
    for &(xs, ws, stride, pad, dilation, groups) in CASES {
        let (x, w, b) = (ramp(xs, 0.3), ramp(ws, 5.0), ramp(&ws[..1], 2.0));
        let request = check::Request {
            x: &x,
            w: &w,
            b: Some(&b),
            stride,
            padding: pad,
            dilation,
            output_padding: &[0],
            groups,
            transposed: false,
        };
        let g = request.geometry().unwrap();
        for t in [&x, &w, &b] {
            t.set_requires_grad(true).unwrap();
        }
        let y = conv(&x, &w, Some(&b), stride, pad, dilation, groups).unwrap();
        let seed = ramp(y.shape(), 11.0);
        let found =
            grad(&[total(&mul(&y, &seed).unwrap())], &[x.clone(), w.clone(), b.clone()], &[], false, false, false)
                .unwrap();
        let (xv, wv, bv, sv) = (values(&x), values(&w), values(&b), values(&seed));
        let mut yv: Vec<f64> = (0..y.numel()).map(|i| bv[i / g.out_len() % ws[0]]).collect();
        let (mut dx, mut dw) = (vec![0.0; xv.len()], vec![0.0; wv.len()]);
        each_product(xs[0], &g, |y, x, w| {
            yv[y] += xv[x] * wv[w];
            dx[x] += sv[y] * wv[w];
            dw[w] += sv[y] * xv[x];
        });
        close(&values(&y), &yv);
        close(&values(found[0].as_ref().unwrap()), &dx);
        close(&values(found[1].as_ref().unwrap()), &dw);
        let mut db = vec![0.0; bv.len()];
        sv.iter().enumerate().for_each(|(i, s)| db[i / g.out_len() % ws[0]] += s);
        close(&values(found[2].as_ref().unwrap()), &db);
    }
}

#[test]
fn conv_transpose_equals_plain_loops() {
    type Case =
        (&'static [usize], &'static [usize], &'static [i64], &'static [i64], &'static [i64], &'static [i64], i64);
    let cases: [Case; 5] = [
        (&[2, 4, 5, 6], &[4, 3, 3, 2], &[2, 1], &[1, 0], &[1, 0], &[1, 2], 1),
        (&[1, 4, 7], &[4, 3, 3], &[3], &[1], &[2], &[1], 2),
        (&[2, 4, 5, 5], &[4, 1, 3, 3], &[2], &[1], &[1], &[1], 4),
        (&[1, 2, 3, 4, 5], &[2, 3, 1, 1, 1], &[1], &[0], &[0], &[1], 1),
        (&[1, 4, 5], &[4, 2, 3], &[1], &[0], &[1], &[2], 1),
    ];
    for (xs, ws, stride, pad, extra, dilation, groups) in cases {
        let (x, w) = (ramp(xs, 0.3), ramp(ws, 5.0));
        let b = ramp(&[ws[1] * groups as usize], 2.0);
        let request = check::Request {
            x: &x,
            w: &w,
            b: Some(&b),
            stride,
            padding: pad,
            dilation,
            output_padding: extra,
            groups,
            transposed: true,
        };
        let g = request.geometry().unwrap();
        let y = conv_transpose(&x, &w, Some(&b), stride, pad, extra, groups, dilation).unwrap();
        let (xv, wv, bv) = (values(&x), values(&w), values(&b));
        let mut want: Vec<f64> = (0..y.numel()).map(|i| bv[i / g.in_len() % bv.len()]).collect();
        each_product(xs[0], &g, |out, y, w| want[y] += xv[out] * wv[w]);
        close(&values(&y), &want);
    }
}

#[test]
fn conv_has_second_derivatives() {
    for transposed in [false, true] {
        let (x, w) = (ramp(&[2, 2, 5, 5], 0.3), ramp(&[2, 2, 3, 3], 5.0));
        let first = |x: &Tensor, w: &Tensor, create: bool| {
            let y = match transposed {
                false => conv(x, w, None, &[2], &[1], &[1], 1),
                true => conv_transpose(x, w, None, &[1], &[1], &[1], 1, &[2]),
            }
            .unwrap();
            let s = total(&mul(&mul(&y, &y).unwrap(), &y).unwrap());
            let g = grad(&[s], &[x.clone(), w.clone()], &[], true, create, false).unwrap();
            let sum = |i: usize| {
                let g = g[i].as_ref().unwrap();
                total(&mul(g, &ramp(g.shape(), 9.0)).unwrap())
            };
            crate::elementwise::add(&sum(0), &sum(1)).unwrap()
        };
        x.set_requires_grad(true).unwrap();
        w.set_requires_grad(true).unwrap();
        let found = grad(&[first(&x, &w, true)], &[x.clone(), w.clone()], &[], false, false, false).unwrap();
        for (which, i) in [(0, 7), (0, 31), (1, 3), (1, 20)] {
            let step = |h: f64| {
                let ins = [&x, &w].map(|t| {
                    let t = crate::copy::copy(&t.detach()).unwrap();
                    t.set_requires_grad(true).unwrap();
                    t
                });
                ins[which].as_mut_slice::<f64>()[i] += h;
                first(&ins[0], &ins[1], false).item().unwrap()
            };
            let slope = (step(1e-5) - step(-1e-5)) / 2e-5;
            let got = values(found[which].as_ref().unwrap())[i];
            assert!((slope - got).abs() < 1e-4 * (1.0 + slope.abs()), "{slope} != {got}");
        }
    }
}

#[test]
fn conv_refuses_with_torch_messages() {
    let message = |xs: &[usize], ws: &[usize], pad: i64, groups: i64| {
        conv(&ramp(xs, 0.0), &ramp(ws, 0.0), None, &[1], &[pad], &[1], groups).unwrap_err().to_string()
    };
    assert_eq!(
        message(&[1, 3, 5, 5], &[4, 2, 3, 3], 0, 1),
        "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 5, 5] to have 2 channels, but got 3 channels instead"
    );
    assert_eq!(
        message(&[1, 3, 5, 5], &[4, 3, 6, 3], 0, 1),
        "Calculated padded input size per channel: (5 x 5). Kernel size: (6 x 3). Kernel size can't be greater than actual input size"
    );
    assert_eq!(
        message(&[1, 4, 5, 5], &[4, 2, 3, 3], 0, 3),
        "Given groups=3, expected weight to be divisible by 3 at dimension 0, but got weight of size [[4, 2, 3, 3]] instead"
    );
    assert_eq!(
        message(&[4, 5], &[4, 4, 3, 3], 0, 1),
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [4, 5]"
    );
    assert_eq!(message(&[1, 4, 5], &[4, 4, 3], -1, 1), "negative padding is not supported");
    assert_eq!(conv(&ramp(&[4, 5], 0.0), &ramp(&[4, 4, 3], 0.0), None, &[1], &[0], &[1], 1).unwrap().shape(), [4, 3]);
}
