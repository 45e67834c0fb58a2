//! Softmax and log-softmax of 1024 rows of 512, forward and backward.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsnn_cpu::rows::softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
use std::time::Duration;

const ROWS: usize = 1024;
const COLS: usize = 512;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn rows(c: &mut Criterion) {
    let (x, dy) = (values(ROWS * COLS), values(ROWS * COLS));
    let (mut y, mut dx) = (vec![0f32; ROWS * COLS], vec![0f32; ROWS * COLS]);
    let mut group = c.benchmark_group("softmax 1024x512");
    group.throughput(Throughput::Elements((ROWS * COLS) as u64));
    group.bench_function("softmax", |b| b.iter(|| softmax(&x, &mut y, ROWS, COLS)));
    group.bench_function("softmax backward", |b| b.iter(|| softmax_backward(&dy, &y, &mut dx, ROWS, COLS)));
    group.bench_function("log_softmax", |b| b.iter(|| log_softmax(&x, &mut y, ROWS, COLS)));
    group.bench_function("log_softmax backward", |b| b.iter(|| log_softmax_backward(&dy, &y, &mut dx, ROWS, COLS)));
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = rows }
criterion_main!(benches);
