//! Runs the generic kernels on whatever adapter there is against plain loops on the CPU.
//! Skips, saying so, without an adapter; RSNN_REQUIRE_GPU=1 makes that a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../kernels-for-ops/binary/launch.rs"]
mod binary;
#[path = "../../kernels-for-ops/cast/launch.rs"]
mod cast;
#[path = "../../kernels-for-ops/copy/launch.rs"]
mod copy;
#[path = "../../kernels-for-ops/fill/launch.rs"]
mod fill;
#[path = "../../kernels-for-ops/layer_norm/launch.rs"]
mod layer_norm;
#[path = "../../kernels-for-ops/matmul/launch.rs"]
mod matmul;
#[path = "../../kernels-for-ops/softmax/launch.rs"]
mod softmax;
#[path = "../../kernels-for-ops/sum/launch.rs"]
mod sum;
#[path = "../../kernels-for-ops/argmax/launch.rs"]
mod argmax;
#[path = "../../kernels-for-ops/cross_entropy/launch.rs"]
mod cross_entropy;
#[path = "../../kernels-for-ops/dropout/launch.rs"]
mod dropout;
#[path = "../../kernels-for-ops/embedding/launch.rs"]
mod embedding;
#[path = "../../kernels-for-ops/optim/launch.rs"]
mod optim;
#[path = "../../kernels-for-ops/unary/launch.rs"]
mod unary;
#[path = "../../kernels-for-ops/where/launch.rs"]
mod where_;

mod elementwise_tests;
mod machinery_tests;
mod matmul_tests;
mod rows_tests;
mod training_tests;
mod typed_tests;
mod validate_tests;

use rsnn_gpu::{Context, GpuBuffer};

/// The first device, or `None` after printing why the test does nothing.
fn gpu() -> Option<&'static Context> {
    match Context::get(0) {
        Ok(context) => Some(context),
        Err(error) if std::env::var("RSNN_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("RSNN_REQUIRE_GPU=1: {error}"),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn put(context: &'static Context, values: &[f32]) -> GpuBuffer {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let buffer = context.alloc(bytes.len() as u64).unwrap();
    context.upload(&buffer, 0, &bytes).unwrap();
    buffer
}

fn empty(context: &'static Context, n: usize) -> GpuBuffer {
    put(context, &vec![-777.0; n])
}

fn get(buffer: &GpuBuffer) -> Vec<f32> {
    let bytes = buffer.context().read(buffer, 0, buffer.len(), &mut || false).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Reproducible values in [-scale, scale).
fn random(n: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    (0..n).map(|_| next()).collect()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32], rtol: f32, atol: f32) {
    assert_eq!(got.len(), want.len());
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let same = g == w || (g.is_nan() && w.is_nan()) || (g - w).abs() <= atol + rtol * w.abs();
        assert!(same, "element {i}: got {g}, expected {w}");
    }
}
