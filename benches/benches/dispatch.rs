//! What an op costs besides its arithmetic: tensors of one element, without a graph, with one, and through backward.
use criterion::{Criterion, criterion_group, criterion_main};
use rsnn_ops::autograd::backward;
use rsnn_ops::elementwise::{add, mul};
use rsnn_ops::{Result, Tensor};
use std::time::Duration;

fn mul_and_backward(leaf: &Tensor, y: &Tensor) -> Result<()> {
    backward(&[mul(leaf, y)?], &[], false, false, &[])
}

fn cases(c: &mut Criterion) -> Result<()> {
    let (x, y) = (Tensor::from_slice(&[1f32], &[1])?, Tensor::from_slice(&[2f32], &[1])?);
    let leaf = Tensor::from_slice(&[3f32], &[1])?;
    leaf.set_requires_grad(true)?;
    // An error would be timed as if it were the op: each case has to succeed once first.
    add(&x, &y)?;
    add(&leaf, &y)?;
    mul_and_backward(&leaf, &y)?;

    let mut group = c.benchmark_group("dispatch, 1 element");
    group.bench_function("add", |b| b.iter(|| add(&x, &y)));
    group.bench_function("add, with grad", |b| b.iter(|| add(&leaf, &y)));
    group.bench_function("mul and backward", |b| b.iter(|| mul_and_backward(&leaf, &y)));
    group.finish();
    Ok(())
}

fn dispatch(c: &mut Criterion) {
    if let Err(error) = cases(c) {
        eprintln!("dispatch: {error}");
        std::process::exit(1);
    }
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = dispatch }
criterion_main!(benches);
