//! A forked child gets an error instead of a hang.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use rsnn_gpu::{Context, GpuError};

#[test]
fn a_forked_child_is_refused() {
    let context = match Context::get(0) {
        Ok(context) => context,
        Err(error) => {
            assert!(std::env::var("RSNN_REQUIRE_GPU").is_err(), "RSNN_REQUIRE_GPU is set: {error}");
            println!("skipped: {error}");
            return;
        }
    };
    let buffer = context.alloc(16).unwrap();
    // SAFETY: the child only calls code that takes uncontended locks, then leaves with _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(Context::get(0), Err(GpuError::Forked))
            && matches!(context.alloc(16), Err(GpuError::Forked))
            && matches!(context.read(&buffer, 0, 4, &mut || false), Err(GpuError::Forked));
        drop(buffer);
        // SAFETY: ends the child at once, without running the parent's exit handlers.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
    assert!(context.upload(&buffer, 0, &[1; 16]).is_ok());
}
