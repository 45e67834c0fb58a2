//! The steps before an out-of-memory error, under a limit set by the environment.
#![allow(clippy::unwrap_used)]

use rsnn_gpu::{Context, GpuError};

#[test]
fn the_cache_is_freed_before_giving_up() {
    // SAFETY: the only test of this binary; no other thread reads the environment yet.
    unsafe { std::env::set_var("RSNN_GPU_MEM_LIMIT", "1000000") };
    let context = match Context::get(0) {
        Ok(context) => context,
        Err(error) => {
            assert!(std::env::var("RSNN_REQUIRE_GPU").is_err(), "RSNN_REQUIRE_GPU is set: {error}");
            println!("skipped: {error}");
            return;
        }
    };
    drop(context.alloc(600_000).unwrap());
    // Only fits once the cached buffer is gone.
    let held = context.alloc(800_000).unwrap();
    let error = context.alloc(400_000).unwrap_err();
    assert!(matches!(error, GpuError::OutOfMemory { requested: 400_000, limit: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("limit 1000000"));
    drop(held);
    assert!(context.alloc(400_000).is_ok());
}
