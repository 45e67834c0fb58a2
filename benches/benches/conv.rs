//! Two-dimensional convolutions as in `compare.py`: output, gradient of the input, gradient of the weight.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rsnn_cpu::conv::{Geometry, View, forward, input_gradient, weight_gradient};
use std::time::Duration;

/// Name; images, channels in and out, side of the image, kernel, stride, groups.
const CASES: [(&str, [usize; 7]); 6] = [
    ("3x3, 64 channels", [8, 64, 64, 56, 3, 1, 1]),
    ("3x3, 256 channels", [8, 256, 256, 14, 3, 1, 1]),
    ("3x3, 512 channels", [8, 512, 512, 7, 3, 1, 1]),
    ("7x7 stride 2, 3 to 64 channels", [4, 3, 64, 224, 7, 2, 1]),
    ("1x1, 256 channels", [8, 256, 256, 28, 1, 1, 1]),
    ("3x3 depthwise, 128 channels", [8, 128, 128, 56, 3, 1, 128]),
];

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn convolutions(c: &mut Criterion) {
    for (name, [images, from, to, side, kernel, stride, groups]) in CASES {
        let pad = kernel / 2;
        let out = (side + 2 * pad - kernel) / stride + 1;
        let g = Geometry {
            rank: 2,
            groups,
            ci: from / groups,
            co: to / groups,
            input: [1, side, side],
            output: [1, out, out],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            pad: [0, pad, pad],
            dilation: [1; 3],
        };
        let (x, y) = (values(images * from * side * side), values(images * to * out * out));
        let w = values(to * g.ci * kernel * kernel);
        let (mut dx, mut out_y, mut dw) = (x.clone(), y.clone(), w.clone());
        let plane = (side * side) as isize;
        let view = View { ptr: x.as_ptr(), strides: [from as isize * plane, plane, plane, side as isize, 1] };
        let mut group = c.benchmark_group(format!("conv2d {name}"));
        group.throughput(Throughput::Elements(2 * (y.len() * g.ci * kernel * kernel) as u64));
        // SAFETY: the view covers x, which lives on.
        group.bench_function("forward", |b| b.iter(|| unsafe { forward(&g, images, view, &w, None, &mut out_y) }));
        group.bench_function("input gradient", |b| b.iter(|| input_gradient(&g, images, &y, &w, None, &mut dx)));
        group.bench_function("weight gradient", |b| {
            // SAFETY: as above.
            b.iter(|| unsafe { weight_gradient(&g, images, &y, view, &mut dw) })
        });
        group.finish();
    }
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = convolutions }
criterion_main!(benches);
