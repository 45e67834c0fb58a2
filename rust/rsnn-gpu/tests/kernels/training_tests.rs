//! embedding, cross_entropy, dropout, argmax and the optimizers against plain loops.

use rsnn_gpu::{Context, GpuBuffer};

use crate::cross_entropy::{Loss, cross_entropy, cross_entropy_backward};
use crate::embedding::{Sizes, embedding, embedding_backward};
use crate::{argmax, assert_close, dropout, empty, get, gpu, optim, put, random};

fn put_i64(context: &'static Context, values: &[i64]) -> GpuBuffer {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let buffer = context.alloc(bytes.len() as u64).unwrap();
    context.upload(&buffer, 0, &bytes).unwrap();
    buffer
}

#[test]
fn embedding_and_its_gradient() {
    let Some(context) = gpu() else { return };
    let s = Sizes { n: 300, width: 5, rows: 7 };
    let indices: Vec<i64> = (0..300).map(|i| (i * i + 3 * i) % 6).collect();
    let (weight, g) = (random(35, 1, 1.0), random(1500, 2, 1.0));
    let [wb, gb, out, dw] = [put(context, &weight), put(context, &g), empty(context, 1500), empty(context, 35)];
    let ib = put_i64(context, &indices);
    embedding(s, (&wb, 0), (&ib, 0), (&out, 0)).unwrap();
    let want: Vec<f32> = (0..1500).map(|i| weight[indices[i / 5] as usize * 5 + i % 5]).collect();
    assert_eq!(get(&out), want);
    embedding_backward(s, (&gb, 0), (&ib, 0), Some(4), (&dw, 0)).unwrap();
    let mut want = vec![0f32; 35];
    for (i, &g) in g.iter().enumerate().filter(|(i, _)| indices[i / 5] != 4) {
        want[indices[i / 5] as usize * 5 + i % 5] += g;
    }
    // The order of additions is that of the loop.
    assert_eq!(get(&dw), want);
}

#[test]
fn cross_entropy_and_its_gradient() {
    let Some(context) = gpu() else { return };
    let (rows, classes) = (4, 300);
    let targets = [299i64, -100, 0, 17];
    let x = random(rows * classes, 3, 5.0);
    let weight: Vec<f32> = random(classes, 4, 0.5).iter().map(|w| w + 1.0).collect();
    let [xb, wb, g] = [put(context, &x), put(context, &weight), put(context, &[0.25])];
    let tb = put_i64(context, &targets);
    for (nll, smoothing, weighted) in [(false, 0.0, false), (false, 0.1, true), (true, 0.0, true), (false, 0.0, true)] {
        let loss = Loss { rows, classes, nll, ignore_index: -100, smoothing, weight: weighted.then_some((&wb, 0)) };
        let [stats, out, dx] = [empty(context, rows), empty(context, 2 * rows), empty(context, rows * classes)];
        cross_entropy(loss, (&xb, 0), (&tb, 0), &stats, &out).unwrap();
        cross_entropy_backward(loss, (&xb, 0), (&tb, 0), &stats, (&g, 0), 0, (&dx, 0)).unwrap();
        let (got, dx) = (get(&out), get(&dx));
        let w = |c: usize| if weighted { f64::from(weight[c]) } else { 1.0 };
        let share = f64::from(smoothing) / classes as f64;
        for (r, row) in x.chunks(classes).enumerate() {
            let lse = if nll { 0.0 } else { row.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln() };
            let want_weight = |c: usize| {
                let own = if c == targets[r].max(0) as usize { 1.0 - f64::from(smoothing) } else { 0.0 };
                (own + share) * w(c)
            };
            if targets[r] < 0 {
                assert_eq!(got[2 * r..2 * r + 2], [0.0, 0.0]);
                assert!(dx[r * classes..][..classes].iter().all(|&d| d == 0.0));
                continue;
            }
            let total: f64 = (0..classes).map(want_weight).sum();
            let want: f64 = (0..classes).map(|c| want_weight(c) * (lse - f64::from(row[c]))).sum();
            assert_close(&got[2 * r..2 * r + 2], &[want as f32, w(targets[r] as usize) as f32], 1e-5, 1e-5);
            let want: Vec<f32> = (0..classes).map(|c| {
                let p = if nll { 0.0 } else { (f64::from(row[c]) - lse).exp() };
                (0.25 * (total * p - want_weight(c))) as f32
            }).collect();
            assert_close(&dx[r * classes..][..classes], &want, 1e-4, 1e-6);
        }
    }
}

/// The published rounds, as an independent reference.
fn philox(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [p, q] = [u64::from(c[0]) * 0xd251_1f53, u64::from(c[2]) * 0xcd9e_8d57];
        c = [(q >> 32) as u32 ^ c[1] ^ k[0], q as u32, (p >> 32) as u32 ^ c[3] ^ k[1], p as u32];
        k = [k[0].wrapping_add(0x9e37_79b9), k[1].wrapping_add(0xbb67_ae85)];
    }
    c
}

#[test]
fn dropout_decides_as_on_the_cpu() {
    let Some(context) = gpu() else { return };
    assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    let n = 1000;
    let (key, stream, p) = (0x0123_4567_89ab_cdefu64, 0xfedc_ba98_7654_3210u64, 0.3);
    let x = random(n, 9, 1.0);
    let [xb, out] = [put(context, &x), empty(context, n)];
    dropout::dropout(n, (&xb, 0), p, key, stream, (&out, 0)).unwrap();
    let want: Vec<f32> = (0..n).map(|i| {
        let at = i % 128;
        let block = (i / 128 * 16 + at % 16) as u32;
        let words = philox([block, 0, stream as u32, (stream >> 32) as u32], [key as u32, (key >> 32) as u32]);
        let uniform = words[at / 16 % 4] >> (at / 64 * 16) & 0xffff;
        if uniform >= (p * 65536.0_f64).round() as u32 { x[i] * (1.0 / 0.7) as f32 } else { 0.0 }
    }).collect();
    let got = get(&out);
    assert_close(&got, &want, 1e-6, 0.0);
    let kept = got.iter().filter(|v| **v != 0.0).count();
    assert!((600..800).contains(&kept), "{kept} of 1000 kept at p = 0.3");
}

#[test]
fn argmax_takes_the_first_and_nan() {
    let Some(context) = gpu() else { return };
    let x = put(context, &[1.0, 3.0, 3.0, 2.0, f32::NAN, 9.0, -1.0, -1.0, 0.0]);
    let out = put_i64(context, &[-1; 3]);
    let read = |out: &GpuBuffer| -> Vec<i64> {
        let bytes = context.read(out, 0, 24, &mut || false).unwrap();
        bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
    };
    argmax::argmax(false, [3, 3, 1], (&x, 0), &out).unwrap();
    assert_eq!(read(&out), [1, 1, 2]);
    argmax::argmax(true, [3, 3, 1], (&x, 0), &out).unwrap();
    assert_eq!(read(&out), [0, 1, 0]);
    argmax::argmax(false, [1, 3, 3], (&x, 0), &out).unwrap();
    assert_eq!(read(&out), [1, 1, 1]);
}

#[test]
fn optimizers_step_as_their_formulas() {
    let Some(context) = gpu() else { return };
    let n = 300;
    let start = random(n, 5, 1.0);
    let adam = optim::Adam { lr: 0.01, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1, decoupled: true, maximize: false };
    for decoupled in [true, false] {
        let s = optim::Adam { decoupled, ..adam };
        let [param, m, v] = [put(context, &start), put(context, &vec![0.0; n]), put(context, &vec![0.0; n])];
        let mut want: Vec<[f64; 3]> = start.iter().map(|&w| [f64::from(w), 0.0, 0.0]).collect();
        for step in 1..=3 {
            let g = random(n, 50 + step, 1.0);
            optim::adam(s, f64::from(step), n, (&param, 0), (&put(context, &g), 0), [&m, &v], None).unwrap();
            for ([w, m, v], &g) in want.iter_mut().zip(&g) {
                let mut g = f64::from(g);
                if decoupled { *w *= 1.0 - 0.001 } else { g += 0.1 * *w }
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.99 * *v + 0.01 * g * g;
                let denominator = (*v / (1.0 - 0.99f64.powi(step as i32))).sqrt() + 1e-8;
                *w -= 0.01 * (*m / (1.0 - 0.9f64.powi(step as i32))) / denominator;
            }
        }
        assert_close(&get(&param), &want.iter().map(|s| s[0] as f32).collect::<Vec<_>>(), 1e-5, 1e-6);
    }
    for nesterov in [false, true] {
        let s = optim::Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, weight_decay: 0.01, nesterov, maximize: false };
        let [param, buffer] = [put(context, &start), empty(context, n)];
        let mut want: Vec<[f64; 2]> = start.iter().map(|&w| [f64::from(w), 0.0]).collect();
        for step in 0..3 {
            let g = random(n, 70 + step, 1.0);
            optim::sgd(s, n, (&param, 0), (&put(context, &g), 0), Some(&buffer), step == 0).unwrap();
            for ([w, velocity], &g) in want.iter_mut().zip(&g) {
                let g = f64::from(g) + 0.01 * *w;
                *velocity = 0.9 * *velocity + g;
                *w -= 0.1 * if nesterov { g + 0.9 * *velocity } else { *velocity };
            }
        }
        assert_close(&get(&param), &want.iter().map(|s| s[0] as f32).collect::<Vec<_>>(), 1e-5, 1e-6);
    }
}
