//! Grad mode and inference mode, per thread.
use std::cell::Cell;

thread_local! {
    static GRAD: Cell<bool> = const { Cell::new(true) };
    static INFERENCE: Cell<bool> = const { Cell::new(false) };
}

/// Whether ops are recorded on this thread.
#[inline(always)]
pub fn is_enabled() -> bool {
    GRAD.get()
}

/// Switches recording; returns the previous setting.
pub fn set_enabled(on: bool) -> bool {
    GRAD.replace(on)
}

pub fn is_inference() -> bool {
    INFERENCE.get()
}

pub fn set_inference(on: bool) -> bool {
    INFERENCE.replace(on)
}

/// Restores the previous grad mode when dropped.
pub struct GradMode(bool);

impl GradMode {
    pub fn set(on: bool) -> GradMode {
        GradMode(set_enabled(on))
    }
}

impl Drop for GradMode {
    fn drop(&mut self) {
        set_enabled(self.0);
    }
}
