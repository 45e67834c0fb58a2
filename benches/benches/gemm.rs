//! Square f32 matrix products, all threads.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsnn_cpu::gemm::{Epilogue, Gemm, gemm};
use std::time::Duration;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn square(c: &mut Criterion) {
    let mut group = c.benchmark_group("gemm f32");
    for n in [64, 128, 256, 512, 1024] {
        let (a, b, mut out) = (values(n * n), values(n * n), vec![0f32; n * n]);
        let job = Gemm {
            m: n,
            n,
            k: n,
            a: a.as_ptr(),
            a_rs: n as isize,
            a_cs: 1,
            b: b.as_ptr(),
            b_rs: n as isize,
            b_cs: 1,
            c: out.as_mut_ptr(),
            c_rs: n as isize,
            alpha: 1.0,
            accumulate: false,
            epilogue: Epilogue::None,
        };
        group.throughput(Throughput::Elements(2 * (n * n * n) as u64)); // floating-point operations
        // SAFETY: the three buffers hold n x n values each and outlive the call; C overlaps neither A nor B.
        group.bench_function(format!("{n}x{n}x{n}"), |bench| bench.iter(|| unsafe { gemm(&job) }));
    }
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = square }
criterion_main!(benches);
