//! Ctrl-C in long native loops: the binding installs a check that asks Python for pending signals.
use rsnn_core::Result;
use std::sync::OnceLock;

type Check = fn() -> Result<()>;
static CHECK: OnceLock<Check> = OnceLock::new();

/// Installs the check; the first caller wins.
pub fn install(check: Check) {
    CHECK.get_or_init(|| check);
}

/// Fails when the user asked to stop.
pub fn check() -> Result<()> {
    CHECK.get().map_or(Ok(()), |c| c())
}
