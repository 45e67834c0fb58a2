//! Op times for `autograd.profiler`.
use crate::prelude::*;
use rsnn_ops::profile;

#[pyfunction]
fn profile_start() {
    profile::start();
}
/// (name, begin, end) in nanoseconds, in the order in which the events ended.
#[pyfunction]
fn profile_stop() -> Vec<(String, u64, u64)> {
    profile::stop().into_iter().map(|e| (e.name, e.begin, e.end)).collect()
}
#[pyfunction]
fn profile_now() -> Option<u64> {
    profile::now()
}
#[pyfunction]
fn profile_note(name: &str, begin: Option<u64>) {
    profile::note(name, begin);
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, profile_start, profile_stop, profile_now, profile_note);
    Ok(())
}
