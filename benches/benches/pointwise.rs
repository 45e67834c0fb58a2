//! Vector functions and their gradients over 1024 x 512 numbers, dropout, and an AdamW step, on one thread.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsnn_cpu::random::philox::dropout;
use rsnn_cpu::rows::optim::{Adam, Family, Item, step};
use rsnn_cpu::vmath::{Erf, Exp, Gelu, GeluGrad, GeluTanh, GeluTanhGrad, Map1, Sigmoid, Silu, SiluGrad, Tanh, map1};
use std::time::Duration;

const N: usize = 1024 * 512;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn pointwise(c: &mut Criterion) {
    let (x, mut y) = (values(N), vec![0f32; N]);
    let mut group = c.benchmark_group("1024x512");
    group.throughput(Throughput::Elements(N as u64));
    let mut row = |name: &str, f: &mut dyn FnMut()| {
        group.bench_function(name, |b| b.iter(&mut *f));
    };
    fn over<M: Map1>(m: M, x: &[f32], y: &mut [f32]) {
        map1(m, x, y);
    }
    row("exp", &mut || over(Exp, &x, &mut y));
    row("tanh", &mut || over(Tanh, &x, &mut y));
    row("erf", &mut || over(Erf, &x, &mut y));
    row("sigmoid", &mut || over(Sigmoid, &x, &mut y));
    row("gelu", &mut || over(Gelu, &x, &mut y));
    row("gelu gradient", &mut || over(GeluGrad, &x, &mut y));
    row("gelu tanh", &mut || over(GeluTanh, &x, &mut y));
    row("gelu tanh gradient", &mut || over(GeluTanhGrad, &x, &mut y));
    row("silu", &mut || over(Silu, &x, &mut y));
    row("silu gradient", &mut || over(SiluGrad, &x, &mut y));
    row("dropout 0.1", &mut || dropout(&x, &mut y, 0.1, 1, 0));
    let (mut p, mut m, mut v) = (values(N), values(N), vec![0.1f32; N]);
    let betas = (0.9, 0.999);
    let family = Family { lr: 1e-3, betas, eps: 1e-8, weight_decay: 0.01, decoupled: true, maximize: false, rate: 0.0 };
    row("AdamW step", &mut || {
        let item = Item { param: &mut p, grad: &x, state: [&mut m, &mut v, &mut []] };
        step(vec![item], &[Adam::new(family, false, 10.0)]);
    });
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = pointwise }
criterion_main!(benches);
