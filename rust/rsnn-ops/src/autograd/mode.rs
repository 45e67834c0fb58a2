//! Switches of the calling thread in one byte: recording, inference, autocast and profiling.
use std::cell::Cell;

const GRAD: u8 = 1;
const INFERENCE: u8 = 2;
const AUTOCAST: u8 = 4;
const PROFILE: u8 = 8;

thread_local! {
    static MODE: Cell<u8> = const { Cell::new(GRAD) };
}

#[inline(always)]
fn has(bit: u8) -> bool {
    MODE.get() & bit != 0
}

fn set(bit: u8, on: bool) -> bool {
    let before = MODE.get();
    MODE.set(if on { before | bit } else { before & !bit });
    before & bit != 0
}

/// Whether ops are recorded on this thread: never inside inference mode.
#[inline(always)]
pub fn is_enabled() -> bool {
    MODE.get() & (GRAD | INFERENCE) == GRAD
}

/// Grad mode as it was last set, whatever inference mode says.
pub fn is_grad_mode() -> bool {
    has(GRAD)
}

/// Switches recording; returns the previous setting.
pub fn set_enabled(on: bool) -> bool {
    set(GRAD, on)
}

#[inline(always)]
pub fn is_inference() -> bool {
    has(INFERENCE)
}

pub fn set_inference(on: bool) -> bool {
    set(INFERENCE, on)
}

/// Whether `apply` has to look further than the op: casts or timings.
#[inline(always)]
pub(crate) fn is_watched() -> bool {
    has(AUTOCAST | PROFILE)
}

pub(crate) fn is_autocast() -> bool {
    has(AUTOCAST)
}

pub(crate) fn set_autocast(on: bool) -> bool {
    set(AUTOCAST, on)
}

pub(crate) fn is_profiled() -> bool {
    has(PROFILE)
}

pub(crate) fn set_profiled(on: bool) -> bool {
    set(PROFILE, on)
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
