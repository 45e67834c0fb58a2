//! Attention of 16 sequences of 128, 8 heads of 32, forward and backward, whole and causal.
use criterion::{Criterion, criterion_group, criterion_main};
use rsnn_cpu::attention::{Attention, Mask, View, ViewMut, backward, forward};
use std::time::Duration;

const BATCH: usize = 16;
const HEADS: usize = 8;
const LENGTH: usize = 128;
const WIDTH: usize = 32;
const SIZE: usize = BATCH * HEADS * LENGTH * WIDTH;

fn values(step: usize) -> Vec<f32> {
    (0..SIZE).map(|i| (i * step % 101) as f32 / 50.0 - 1.0).collect()
}

fn view(x: &[f32]) -> View<f32> {
    View::contiguous(x.as_ptr(), HEADS, LENGTH, WIDTH)
}

fn view_mut(x: &mut [f32]) -> ViewMut<f32> {
    ViewMut::contiguous(x.as_mut_ptr(), HEADS, LENGTH, WIDTH)
}

fn passes(c: &mut Criterion) {
    let (q, k, v, d_out) = (values(37), values(41), values(43), values(47));
    let (mut out, mut lse) = (vec![0f32; SIZE], vec![0f32; BATCH * HEADS * LENGTH]);
    let (mut dq, mut dk, mut dv) = (vec![0f32; SIZE], vec![0f32; SIZE], vec![0f32; SIZE]);
    let mut group = c.benchmark_group("attention 16x8x128x32");
    for causal in [false, true] {
        let suffix = if causal { ", causal" } else { "" };
        let a = Attention {
            batch: BATCH,
            heads: HEADS,
            kv_heads: HEADS,
            q_len: LENGTH,
            kv_len: LENGTH,
            d: WIDTH,
            dv: WIDTH,
            scale: (WIDTH as f64).sqrt().recip(),
            causal,
            mask: Mask::None,
            dropout: 0.0,
            dropout_key: 0,
            q: view(&q),
            k: view(&k),
            v: view(&v),
        };
        group.bench_function(format!("forward{suffix}"), |b| {
            // SAFETY: every buffer holds the shape that its view names, and none overlaps another.
            b.iter(|| unsafe { forward(&a, view_mut(&mut out), lse.as_mut_ptr()) });
        });
        // SAFETY: as above. The backward pass may run without the timed forward one, so it gets its inputs here.
        unsafe { forward(&a, view_mut(&mut out), lse.as_mut_ptr()) };
        group.bench_function(format!("backward{suffix}"), |b| {
            b.iter(|| {
                let saved = (view(&out), lse.as_ptr(), view(&d_out));
                // SAFETY: as above.
                unsafe { backward(&a, saved, view_mut(&mut dq), view_mut(&mut dk), view_mut(&mut dv)) };
            });
        });
    }
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = passes }
criterion_main!(benches);
