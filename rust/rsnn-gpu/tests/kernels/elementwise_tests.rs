//! copy, binary and unary kernels against plain loops, and their NaN and infinity tables.

use rsnn_gpu::Context;

use crate::{assert_close, binary, copy, empty, get, gpu, put, random, unary};

fn expression(name: &str) -> (&'static str, &'static str, &'static str) {
    *unary::EXPRESSIONS.iter().find(|(n, ..)| *n == name).unwrap()
}

fn run(context: &'static Context, name: &str, values: &[f32], scalars: [f32; 3]) -> Vec<f32> {
    let (name, forward, _) = expression(name);
    let x = put(context, values);
    let out = empty(context, values.len());
    unary::unary(name, forward, values.len(), (&x, 0), scalars, (&out, 0)).unwrap();
    get(&out)
}

fn run_backward(context: &'static Context, name: &str, x: &[f32], g: &[f32], scalars: [f32; 3]) -> Vec<f32> {
    let (name, forward, backward) = expression(name);
    let [xb, gb, yb, out] = [put(context, x), put(context, g), empty(context, x.len()), empty(context, x.len())];
    unary::unary(name, forward, x.len(), (&xb, 0), scalars, (&yb, 0)).unwrap();
    unary::unary_backward(name, backward, x.len(), [(&xb, 0), (&yb, 0), (&gb, 0)], scalars, (&out, 0)).unwrap();
    get(&out)
}

/// The error function in f64 by its series and, from 3 on, its continued fraction.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a < 3.0 {
        let mut term = a;
        let mut total = a;
        for n in 1..80 {
            term *= -a * a / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        return total * 2.0 / std::f64::consts::PI.sqrt() * x.signum();
    }
    let tail = (1..60).rev().fold(a, |t, k| a + f64::from(k) / 2.0 / t);
    (1.0 - (-a * a).exp() / tail / std::f64::consts::PI.sqrt()) * x.signum()
}

type F64 = fn(f64) -> f64;
type BroadcastCase = (&'static [usize], [&'static [isize]; 2], usize);

#[test]
fn math_is_accurate() {
    let Some(context) = gpu() else { return };
    let sweep: Vec<f32> = (-2000..=2000).map(|i| i as f32 * 0.00237).chain((-120..120).map(|i| i as f32 * 0.72)).collect();
    let small: Vec<f32> = (-300..300).map(|i| i as f32 * 1e-5).collect();
    let all: Vec<f32> = sweep.into_iter().chain(small).collect();
    let functions: [(&str, F64, f32, f32); 12] = [
        ("exp", f64::exp, 1e-6, 1e-37),
        ("expm1", f64::exp_m1, 1e-6, 0.0),
        ("tanh", f64::tanh, 1e-6, 0.0),
        ("erf", erf, 1e-6, 1e-7),
        ("sigmoid", |x| 1.0 / (1.0 + (-x).exp()), 1e-6, 1e-37),
        ("gelu", |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())), 1e-6, 5e-7),
        ("gelu_tanh", |x| 0.5 * x * (1.0 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh()), 1e-6, 5e-7),
        ("silu", |x| x / (1.0 + (-x).exp()), 1e-6, 1e-36),
        ("mish", |x| x * x.exp().ln_1p().tanh(), 2e-6, 1e-36),
        ("logsigmoid", |x| x.min(0.0) - (-x.abs()).exp().ln_1p(), 1e-6, 1e-36),
        ("softsign", |x| x / (1.0 + x.abs()), 1e-6, 0.0),
        ("hardswish", |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0, 1e-6, 1e-7),
    ];
    for (name, f, rtol, atol) in functions {
        let want: Vec<f32> = all.iter().map(|&x| f(f64::from(x)) as f32).collect();
        println!("{name}");
        assert_close(&run(context, name, &all, [0.0; 3]), &want, rtol, atol);
    }
    let positive: Vec<f32> = all.iter().map(|x| x.abs() + 1e-30).chain([1e-20, 1.0, 0.9999, 1.0001, 3e37]).collect();
    let want: Vec<f32> = positive.iter().map(|&x| f64::from(x).ln() as f32).collect();
    assert_close(&run(context, "log", &positive, [0.0; 3]), &want, 1e-6, 0.0);
    let want: Vec<f32> = positive.iter().map(|&x| f64::from(x).ln_1p() as f32).collect();
    assert_close(&run(context, "log1p", &positive, [0.0; 3]), &want, 1e-6, 0.0);
}

#[test]
fn nan_and_infinity() {
    let Some(context) = gpu() else { return };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let x = [nan, inf, -inf, -0.0, -nan];
    let table: [(&str, [f32; 5]); 10] = [
        ("relu", [nan, inf, 0.0, 0.0, nan]),
        ("exp", [nan, inf, 0.0, 1.0, nan]),
        ("tanh", [nan, 1.0, -1.0, 0.0, nan]),
        ("sigmoid", [nan, 1.0, 0.0, 0.5, nan]),
        ("erf", [nan, 1.0, -1.0, 0.0, nan]),
        ("log", [nan, inf, nan, -inf, nan]),
        ("expm1", [nan, inf, -1.0, 0.0, nan]),
        ("neg", [nan, -inf, inf, 0.0, nan]),
        ("relu6", [nan, 6.0, 0.0, 0.0, nan]),
        ("gelu", [nan, inf, nan, 0.0, nan]),
    ];
    for (name, want) in table {
        println!("{name}");
        assert_close(&run(context, name, &x, [0.0; 3]), &want, 0.0, 0.0);
    }
    for (name, want) in [("maximum", [nan, nan, inf, 2.0, inf]), ("minimum", [nan, nan, 1.0, -inf, -inf])] {
        let (_, expression) = *binary::EXPRESSIONS.iter().find(|(n, _)| *n == name).unwrap();
        let [a, b] = [put(context, &[nan, 1.0, inf, 2.0, -inf]), put(context, &[1.0, nan, 1.0, -inf, inf])];
        let out = empty(context, 5);
        let input = |buffer| binary::Input { buffer, strides: &[1], offset: 0 };
        binary::binary(name, expression, &[5], [input(&a), input(&b)], [0.0; 2], (&out, 0)).unwrap();
        assert_close(&get(&out), &want, 0.0, 0.0);
    }
}

#[test]
fn gradients_match_differences() {
    let Some(context) = gpu() else { return };
    // Not on a kink of any op.
    let x: Vec<f32> = random(203, 5, 3.9).iter().map(|v| if v.abs() < 0.06 { 0.3 } else { *v }).collect();
    let g = random(203, 6, 1.0);
    let skip = ["sign", "floor", "ceil", "trunc", "round", "log", "log1p", "sqrt", "rsqrt", "reciprocal"];
    for (name, ..) in unary::EXPRESSIONS.iter().filter(|(name, ..)| !skip.contains(name)) {
        let scalars = match *name {
            "hardtanh" | "clamp" => [-1.01, 1.02, 0.0],
            "softplus" => [1.5, 20.0, 0.0],
            _ => [0.47, 0.9, 0.0],
        };
        let step = 4e-3f32;
        let up: Vec<f32> = x.iter().map(|v| v + step).collect();
        let down: Vec<f32> = x.iter().map(|v| v - step).collect();
        let (high, low) = (run(context, name, &up, scalars), run(context, name, &down, scalars));
        let got = run_backward(context, name, &x, &g, scalars);
        for i in 0..x.len() {
            let want = (high[i] - low[i]) / (up[i] - down[i]) * g[i];
            let near_kink = [-3.0, 3.0, 6.0, 0.47, -0.47, -1.01, 1.02].iter().any(|k| (x[i] - k).abs() < 2.0 * step);
            let ok = near_kink || (got[i] - want).abs() < 2e-3 + 2e-3 * want.abs();
            assert!(ok, "{name} at {}: got {}, expected {want}", x[i], got[i]);
        }
    }
}

#[test]
fn binary_broadcasts() {
    let Some(context) = gpu() else { return };
    let (a, b) = (random(2 * 3 * 5, 1, 1.0), random(40, 2, 1.0));
    let [ab, bb] = [put(context, &a), put(context, &b)];
    let cases: [BroadcastCase; 4] = [
        (&[2, 3, 5], [&[15, 5, 1], &[0, 0, 1]], 2),
        (&[2, 3, 5], [&[15, 5, 1], &[1, 2, 6]], 1),
        (&[5, 3, 2], [&[1, 5, 15], &[0, 1, 0]], 0),
        (&[30], [&[1], &[1]], 4),
    ];
    for (shape, strides, offset) in cases {
        let out = empty(context, 32);
        let inputs = [
            binary::Input { buffer: &ab, strides: strides[0], offset: 0 },
            binary::Input { buffer: &bb, strides: strides[1], offset },
        ];
        binary::binary("sub", "a - p.c * b", shape, inputs, [0.5, 0.0], (&out, 2)).unwrap();
        let at = |flat: usize, steps: &[isize]| {
            let mut rest = flat;
            let axes = shape.iter().zip(steps).rev();
            axes.map(|(size, step)| { let r = rest % size; rest /= size; r * *step as usize }).sum::<usize>()
        };
        let want: Vec<f32> = (0..30).map(|i| a[at(i, strides[0])] - 0.5 * b[offset + at(i, strides[1])]).collect();
        assert_close(&get(&out)[2..], &want, 1e-6, 1e-7);
    }
    // In place: the result replaces a.
    let input = |buffer, offset| binary::Input { buffer, strides: &[1], offset };
    binary::binary("add", "a + p.c * b", &[30], [input(&ab, 0), input(&bb, 0)], [1.0, 0.0], (&ab, 0)).unwrap();
    let want: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    assert_close(&get(&ab), &want, 1e-6, 1e-7);
}

#[test]
fn copy_walks_six_dimensions() {
    let Some(context) = gpu() else { return };
    let shape = [2usize, 3, 2, 3, 2, 2];
    let values: Vec<f32> = (0..144).map(|i| i as f32).collect();
    let x = put(context, &values);
    let out = empty(context, 145);
    // A full reversal of the axes: nothing merges.
    let reversed: Vec<isize> = (0..6).map(|d| shape[..d].iter().product::<usize>() as isize).collect();
    let dense: Vec<isize> = (0..6).map(|d| shape[d + 1..].iter().product::<usize>() as isize).collect();
    for rank in 1..=6 {
        let cut = 6 - rank;
        let side = |buffer, strides, offset| copy::Side { buffer, strides, offset };
        copy::copy(4, &shape[cut..], side(&x, &reversed[cut..], 0), side(&out, &dense[cut..], 1)).unwrap();
        let got = get(&out);
        let count: usize = shape[cut..].iter().product();
        for flat in 0..count {
            let (mut rest, mut from) = (flat, 0);
            for d in (cut..6).rev() {
                from += rest % shape[d] * reversed[d] as usize;
                rest /= shape[d];
            }
            assert_eq!(got[1 + flat], values[from], "rank {rank}, element {flat}");
        }
    }
}
