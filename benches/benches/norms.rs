//! Layer norm and RMS norm of 1024 rows of 512, forward and backward.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsnn_cpu::rows::norm::{NormArgs, NormBackwardArgs, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward};
use std::time::Duration;

const ROWS: usize = 1024;
const COLS: usize = 512;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn norms(c: &mut Criterion) {
    let (x, dy) = (values(ROWS * COLS), values(ROWS * COLS));
    let (weight, bias) = (values(COLS), values(COLS));
    let (mut out, mut mean, mut rstd) = (vec![0f32; ROWS * COLS], vec![0f32; ROWS], vec![0f32; ROWS]);
    let (mut dw, mut db) = (vec![0f32; COLS], vec![0f32; COLS]);
    let args = NormArgs { x: &x, weight: Some(&weight), bias: Some(&bias), rows: ROWS, cols: COLS, eps: 1e-5 };

    let mut group = c.benchmark_group("norm 1024x512");
    group.throughput(Throughput::Elements((ROWS * COLS) as u64));
    group.bench_function("layer_norm", |b| b.iter(|| layer_norm(args, &mut out, &mut mean, &mut rstd)));
    let back = NormBackwardArgs {
        dy: &dy,
        x: &x,
        mean: Some(&mean),
        rstd: &rstd,
        weight: Some(&weight),
        rows: ROWS,
        cols: COLS,
    };
    group.bench_function("layer_norm backward", |b| {
        b.iter(|| layer_norm_backward(back, &mut out, Some(&mut dw), Some(&mut db)));
    });
    let args = NormArgs { bias: None, ..args };
    group.bench_function("rms_norm", |b| b.iter(|| rms_norm(args, &mut out, &mut rstd)));
    let back =
        NormBackwardArgs { dy: &dy, x: &x, mean: None, rstd: &rstd, weight: Some(&weight), rows: ROWS, cols: COLS };
    group.bench_function("rms_norm backward", |b| b.iter(|| rms_norm_backward(back, &mut out, Some(&mut dw))));
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = norms }
criterion_main!(benches);
