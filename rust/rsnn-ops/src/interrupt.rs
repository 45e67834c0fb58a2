//! Ctrl-C in long native loops: the binding installs a check that asks Python for pending signals.
use rsnn_core::{Error, Result};
use std::sync::OnceLock;

type Check = fn() -> Result<()>;
static CHECK: OnceLock<Check> = OnceLock::new();

/// Installs the check for loops that the calling thread starts; the first caller wins.
pub fn install(check: Check) {
    CHECK.get_or_init(|| check);
    rsnn_cpu::pool::watch_interrupts(|| crate::interrupt::check().is_err());
}

/// Fails when the user asked to stop.
pub fn check() -> Result<()> {
    CHECK.get().map_or(Ok(()), |c| c())
}

/// Fails when a kernel of this thread left its loop undone: its result must not be used.
pub fn finished() -> Result<()> {
    if rsnn_cpu::pool::take_interrupted() { Err(Error::Raised) } else { Ok(()) }
}
