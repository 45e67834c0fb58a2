//! An LSTM and a GRU of 256 states over 64 steps of 16 sequences, forward.
use criterion::{Criterion, criterion_group, criterion_main};
use rsnn_ops::rnn::{Options, gru, lstm};
use rsnn_ops::{Result, Tensor};
use std::time::Duration;

const SIZES: (usize, usize, usize, usize) = (64, 16, 128, 256);

fn tensor(shape: &[usize]) -> Result<Tensor> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 1000.0 - 0.05).collect();
    Tensor::from_slice(&values, shape)
}

fn weights(gates: usize) -> Result<Vec<Tensor>> {
    let (_, _, input, hidden) = SIZES;
    let rows = gates * hidden;
    [vec![rows, input], vec![rows, hidden], vec![rows], vec![rows]].iter().map(|s| tensor(s)).collect()
}

fn cases(c: &mut Criterion) -> Result<()> {
    let (steps, batch, input, hidden) = SIZES;
    let (x, h) = (tensor(&[steps, batch, input])?, tensor(&[1, batch, hidden])?);
    let (four, three) = (weights(4)?, weights(3)?);
    let options = Options { num_layers: 1, has_biases: true, ..Options::default() };
    // An error would be timed as if it were the layer: each has to succeed once first.
    let states = [h.clone(), h.clone()];
    lstm(&x, &states, &four, &options)?;
    gru(&x, &h, &three, &options)?;
    let mut group = c.benchmark_group("128 to 256, batch 16, 64 steps");
    group.bench_function("lstm", |b| b.iter(|| lstm(&x, &states, &four, &options)));
    group.bench_function("gru", |b| b.iter(|| gru(&x, &h, &three, &options)));
    group.finish();
    Ok(())
}

fn recurrent(c: &mut Criterion) {
    if let Err(error) = cases(c) {
        eprintln!("recurrent: {error}");
        std::process::exit(1);
    }
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = recurrent }
criterion_main!(benches);
