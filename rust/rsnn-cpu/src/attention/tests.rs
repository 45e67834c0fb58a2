//! Attention against a plain f64 computation, its gradients against the same, dropout's mask by finite differences.
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, clippy::needless_range_loop)]
use super::*;
use crate::gemm::GemmScalar;
use crate::random::Generator;

#[derive(Clone)]
struct Case {
    shape: [usize; 7], // batch, heads, kv_heads, q_len, kv_len, d, dv
    causal: bool,
    mask: &'static str,
    dropout: f64,
}

impl Case {
    fn new(shape: [usize; 7]) -> Self {
        Self { shape, causal: false, mask: "none", dropout: 0.0 }
    }
}

struct Data<T> {
    q: Vec<T>,
    k: Vec<T>,
    v: Vec<T>,
    g: Vec<T>,
    bools: Vec<u8>,
    floats: Vec<T>,
    strides: [isize; 4],
}

fn data<T: GemmScalar>(case: &Case) -> Data<T> {
    let [b, h, hk, lq, lk, d, dv] = case.shape;
    let mut generator = Generator::new(1);
    let mut normal = |n: usize| -> Vec<T> {
        let mut x = vec![0f64; n];
        generator.normal(&mut x, 0.0, 1.0);
        x.into_iter().map(T::from_f64).collect()
    };
    let (q, k, v, g) =
        (normal(b * h * lq * d), normal(b * hk * lk * d), normal(b * hk * lk * dv), normal(b * h * lq * dv));
    let (full, strides): (usize, [isize; 4]) = match case.mask {
        "padding" => (b * lk, [lk as isize, 0, 0, 1]),
        "square" => (lq * lk, [0, 0, lk as isize, 1]),
        _ => (b * h * lq * lk, [(h * lq * lk) as isize, (lq * lk) as isize, lk as isize, 1]),
    };
    let floats = normal(full);
    let mut bools: Vec<u8> = floats.iter().map(|&x| u8::from(x.to_f64() < 0.6)).collect();
    if case.mask == "full" {
        bools[..lk].fill(0); // the first row sees nothing
    }
    let floats = floats.into_iter().map(|x| if x.to_f64() > 1.0 { -T::INFINITY } else { x }).collect();
    Data { q, k, v, g, bools, floats, strides }
}

fn args<T: GemmScalar>(case: &Case, x: &Data<T>) -> Attention<T> {
    let [batch, heads, kv_heads, q_len, kv_len, d, dv] = case.shape;
    let mask = match case.mask {
        "none" => Mask::None,
        "float" => Mask::Float { ptr: x.floats.as_ptr(), strides: x.strides },
        _ => Mask::Bool { ptr: x.bools.as_ptr(), strides: x.strides },
    };
    Attention {
        batch,
        heads,
        kv_heads,
        q_len,
        kv_len,
        d,
        dv,
        scale: 1.0 / (d as f64).sqrt(),
        causal: case.causal,
        mask,
        dropout: case.dropout,
        dropout_key: 99,
        q: View::contiguous(x.q.as_ptr(), heads, q_len, d),
        k: View::contiguous(x.k.as_ptr(), kv_heads, kv_len, d),
        v: View::contiguous(x.v.as_ptr(), kv_heads, kv_len, dv),
    }
}

/// out, lse, dq, dk, dv
fn run<T: GemmScalar>(a: &Attention<T>, g: &[T]) -> [Vec<T>; 5] {
    let (h, hk) = (a.batch * a.heads, a.batch * a.kv_heads);
    let nan = |n: usize| vec![T::NAN; n];
    let mut r = [
        nan(h * a.q_len * a.dv),
        nan(h * a.q_len),
        nan(h * a.q_len * a.d),
        nan(hk * a.kv_len * a.d),
        nan(hk * a.kv_len * a.dv),
    ];
    let [out, lse, dq, dk, dv] = &mut r;
    unsafe {
        forward(a, ViewMut::contiguous(out.as_mut_ptr(), a.heads, a.q_len, a.dv), lse.as_mut_ptr());
        backward(
            a,
            (
                View::contiguous(out.as_ptr(), a.heads, a.q_len, a.dv),
                lse.as_ptr(),
                View::contiguous(g.as_ptr(), a.heads, a.q_len, a.dv),
            ),
            ViewMut::contiguous(dq.as_mut_ptr(), a.heads, a.q_len, a.d),
            ViewMut::contiguous(dk.as_mut_ptr(), a.kv_heads, a.kv_len, a.d),
            ViewMut::contiguous(dv.as_mut_ptr(), a.kv_heads, a.kv_len, a.dv),
        );
    }
    r
}

/// The same without dropout, straight from the definition.
fn naive<T: GemmScalar>(a: &Attention<T>, x: &Data<T>) -> [Vec<f64>; 5] {
    let f = |v: &[T]| -> Vec<f64> { v.iter().map(|x| x.to_f64()).collect() };
    let (q, k, v, g) = (f(&x.q), f(&x.k), f(&x.v), f(&x.g));
    let (lq, lk, d, dv, group) = (a.q_len, a.kv_len, a.d, a.dv, a.heads / a.kv_heads);
    let heads = a.batch * a.heads;
    let mut r =
        [vec![0.0; heads * lq * dv], vec![0.0; heads * lq], vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]];
    for head in 0..heads {
        let (b, h) = (head / a.heads, head % a.heads);
        let kv = b * a.kv_heads + h / group;
        for i in 0..lq {
            let qi = &q[(head * lq + i) * d..][..d];
            let gi = &g[(head * lq + i) * dv..][..dv];
            let score = |j: usize| -> f64 {
                let dot: f64 = qi.iter().zip(&k[(kv * lk + j) * d..][..d]).map(|(a, b)| a * b).sum();
                let at = |s: &[isize; 4]| b as isize * s[0] + h as isize * s[1] + i as isize * s[2] + j as isize * s[3];
                let hidden = a.causal && j > i;
                match a.mask {
                    _ if hidden => f64::NEG_INFINITY,
                    Mask::None => dot * a.scale,
                    Mask::Bool { strides, .. } if x.bools[at(&strides) as usize] == 0 => f64::NEG_INFINITY,
                    Mask::Bool { .. } => dot * a.scale,
                    Mask::Float { strides, .. } => dot * a.scale + x.floats[at(&strides) as usize].to_f64(),
                }
            };
            let s: Vec<f64> = (0..lk).map(score).collect();
            let m = s.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
            if m == f64::NEG_INFINITY {
                r[1][head * lq + i] = m;
                continue;
            }
            let z: f64 = s.iter().map(|s| (s - m).exp()).sum();
            let p: Vec<f64> = s.iter().map(|s| (s - m).exp() / z).collect();
            r[1][head * lq + i] = (m + z.ln()) * std::f64::consts::LOG2_E;
            let dp: Vec<f64> = (0..lk).map(|j| (0..dv).map(|c| gi[c] * v[(kv * lk + j) * dv + c]).sum()).collect();
            let delta: f64 = p.iter().zip(&dp).map(|(a, b)| a * b).sum();
            for j in 0..lk {
                let ds = p[j] * (dp[j] - delta) * a.scale;
                for c in 0..dv {
                    r[0][(head * lq + i) * dv + c] += p[j] * v[(kv * lk + j) * dv + c];
                    r[4][(kv * lk + j) * dv + c] += p[j] * gi[c];
                }
                for c in 0..d {
                    r[2][(head * lq + i) * d + c] += ds * k[(kv * lk + j) * d + c];
                    r[3][(kv * lk + j) * d + c] += ds * qi[c];
                }
            }
        }
    }
    r
}

fn check<T: GemmScalar>(case: &Case, tolerance: f64) {
    let x = data::<T>(case);
    let a = args(case, &x);
    let (got, want) = (run(&a, &x.g), naive(&a, &x));
    for (name, (got, want)) in ["out", "lse", "dq", "dk", "dv"].iter().zip(got.iter().zip(&want)) {
        for (i, (g, &w)) in got.iter().zip(want).enumerate() {
            let g = g.to_f64();
            let ok = g == w || (g - w).abs() <= tolerance * w.abs().max(1.0);
            assert!(ok, "{name}[{i}] = {g}, expected {w}: {:?} causal={} mask={}", case.shape, case.causal, case.mask);
        }
    }
}

#[test]
fn equals_the_definition() {
    for shape in [
        [1, 1, 1, 1, 1, 8, 8],
        [2, 3, 3, 5, 7, 8, 8],
        [1, 2, 2, 64, 128, 16, 16],
        [1, 2, 2, 130, 130, 33, 33],
        [2, 2, 2, 65, 300, 64, 64],
        [1, 2, 2, 200, 70, 80, 80],
        [2, 6, 2, 70, 140, 16, 24],
        [1, 4, 1, 1, 257, 64, 64],
        [2, 6, 2, 3, 2100, 16, 24],
        [1, 16, 1, 1, 40, 8, 8],
        [1, 1, 1, 90, 700, 12, 5],
    ] {
        for mask in ["none", "padding", "square", "full", "float"] {
            for causal in [false, true] {
                let case = Case { causal, mask, ..Case::new(shape) };
                check::<f64>(&case, 1e-11);
                check::<f32>(&case, 2e-5);
            }
        }
    }
}

#[test]
fn nothing_to_attend_to() {
    check::<f32>(&Case::new([1, 2, 2, 3, 0, 8, 8]), 0.0);
    check::<f32>(&Case::new([1, 2, 2, 0, 3, 8, 8]), 0.0);
    check::<f32>(&Case::new([0, 2, 2, 3, 3, 8, 8]), 0.0);
}

/// A NaN among the scores comes out, also where every other key is hidden.
#[test]
fn nan_comes_out() {
    for q_len in [1, 70] {
        let case = Case { mask: "padding", ..Case::new([1, 1, 1, q_len, 200, 8, 8]) };
        let mut x = data::<f32>(&case);
        x.bools.fill(0);
        x.bools[3] = 1;
        x.k[3 * 8] = f32::NAN;
        let [out, lse, ..] = run(&args(&case, &x), &x.g);
        assert!(out.iter().chain(&lse).all(|y| y.is_nan()));
    }
}

/// Rows that a float mask hides with the smallest number alone weigh their keys alike.
#[test]
fn the_smallest_number_hides() {
    for q_len in [1, 70] {
        let case = Case { mask: "float", ..Case::new([1, 1, 1, q_len, 4, 8, 8]) };
        let mut x = data::<f32>(&case);
        x.floats.fill(f32::MIN);
        let out = &run(&args(&case, &x), &x.g)[0];
        for (i, &y) in out.iter().enumerate() {
            let mean = (0..4).map(|k| x.v[k * 8 + i % 8]).sum::<f32>() / 4.0;
            assert!((y - mean).abs() < 1e-6, "{y} {mean}");
        }
    }
}

#[test]
fn any_strides() {
    // q, k, v and their gradients inside one (batch, length, 3, heads, dim) buffer; out as (batch, length, heads, dim).
    let (b, h, l, d) = (2, 3, 70, 16);
    let case = Case { causal: true, ..Case::new([b, h, h, l, l, d, d]) };
    let x = data::<f32>(&case);
    let plain = args(&case, &x);
    let want = run(&plain, &x.g);
    let mut qkv = vec![0f32; b * l * 3 * h * d];
    let strides = [(l * 3 * h * d) as isize, d as isize, (3 * h * d) as isize];
    let out_strides = [(l * h * d) as isize, d as isize, (h * d) as isize];
    let rows = |f: &mut dyn FnMut(usize, usize, usize)| {
        for i in 0..b * h * l * d {
            let (bi, hi, li, c) = (i / d / l / h, i / d / l % h, i / d % l, i % d);
            f(i, ((bi * l + li) * 3 * h + hi) * d + c, ((bi * l + li) * h + hi) * d + c);
        }
    };
    rows(&mut |i, to, _| {
        qkv[to] = x.q[i];
        qkv[to + h * d] = x.k[i];
        qkv[to + 2 * h * d] = x.v[i];
    });
    let view = |n: usize| View { ptr: qkv[n * h * d..].as_ptr(), strides };
    let a = Attention { q: view(0), k: view(1), v: view(2), ..plain };
    let (mut out, mut lse, mut grad) = (vec![0f32; b * l * h * d], vec![0f32; b * h * l], vec![0f32; qkv.len()]);
    let grad_ptr = grad.as_mut_ptr();
    let grads = |n: usize| ViewMut { ptr: grad_ptr.wrapping_add(n * h * d), strides };
    unsafe {
        forward(&a, ViewMut { ptr: out.as_mut_ptr(), strides: out_strides }, lse.as_mut_ptr());
        let out = View { ptr: out.as_ptr(), strides: out_strides };
        backward(&a, (out, lse.as_ptr(), View::contiguous(x.g.as_ptr(), h, l, d)), grads(0), grads(1), grads(2));
    }
    rows(&mut |i, to, o| {
        assert_eq!(out[o], want[0][i]);
        for n in 0..3 {
            assert_eq!(grad[to + n * h * d], want[2 + n][i], "gradient {n}");
        }
    });
}

#[test]
fn dropout_has_the_same_mask_in_both_directions() {
    for shape in [[1, 2, 1, 3, 5, 4, 4], [1, 1, 1, 70, 131, 4, 4]] {
        let case = Case { dropout: 0.4, causal: shape[3] == 3, ..Case::new(shape) };
        let mut x = data::<f64>(&case);
        let got = run(&args(&case, &x), &x.g);
        let loss = |x: &Data<f64>| -> f64 { run(&args(&case, x), &x.g)[0].iter().zip(&x.g).map(|(o, g)| o * g).sum() };
        for i in (0..x.q.len()).step_by(if shape[3] == 3 { 1 } else { 37 }) {
            for (n, name) in ["q", "k", "v"].iter().enumerate() {
                let mut shifted = |by: f64| {
                    let v = [&mut x.q, &mut x.k, &mut x.v];
                    let v = v.into_iter().nth(n).unwrap();
                    let at = i % v.len();
                    v[at] += by;
                    (at, loss(&x))
                };
                let (h, (at, up)) = (1e-5, shifted(1e-5));
                let (_, down) = shifted(-2.0 * h);
                shifted(h);
                let want = (up - down) / (2.0 * h);
                assert!((got[2 + n][at] - want).abs() < 1e-6, "d{name}[{at}] = {}, expected {want}", got[2 + n][at]);
            }
        }
    }
    // With v = 1 the result is the kept part of each row: 1 on average.
    let case = Case { dropout: 0.25, ..Case::new([2, 4, 4, 128, 128, 8, 8]) };
    let mut x = data::<f32>(&case);
    x.v.fill(1.0);
    let out = &run(&args(&case, &x), &x.g)[0];
    let mean = out.iter().map(|&o| f64::from(o)).sum::<f64>() / out.len() as f64;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn bits_do_not_depend_on_threads() {
    for shape in [[1, 2, 2, 300, 600, 32, 32], [2, 8, 4, 130, 130, 33, 33]] {
        let case = Case { dropout: 0.1, causal: true, ..Case::new(shape) };
        let x = data::<f32>(&case);
        let run_with = |n: usize| {
            crate::pool::set_num_threads(n);
            run(&args(&case, &x), &x.g)
        };
        let one = run_with(1);
        for n in [2, 3] {
            assert_eq!(one, run_with(n));
        }
    }
}
