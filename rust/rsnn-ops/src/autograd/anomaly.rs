//! Anomaly detection: notes where each node was recorded and names the one whose backward fails or returns nan.
//! The binding supplies the notes (tracebacks); off, it costs one relaxed load per recorded node.
use super::node::Node;
use crate::op::Grads;
use rsnn_core::{Result, bail};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

const ON: u8 = 1;
const CHECK_NAN: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(CHECK_NAN);

/// What the binding does for a node.
pub struct Watch {
    /// Called as a node is recorded, with the node whose backward records it, if any.
    pub recorded: fn(&Arc<Node>, Option<&Arc<Node>>),
    /// Called when the backward of a node failed, before the error leaves.
    pub failed: fn(&Arc<Node>) -> Result<()>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

thread_local! {
    static RUNNING: RefCell<Option<Arc<Node>>> = const { RefCell::new(None) };
}

/// Installs the binding's part; the first caller wins.
pub fn install(watch: Watch) {
    WATCH.get_or_init(|| watch);
}

/// Switches detection for all threads.
pub fn set(on: bool, check_nan: bool) {
    STATE.store(u8::from(on) * ON + u8::from(check_nan) * CHECK_NAN, Relaxed);
}

#[inline(always)]
pub fn is_on() -> bool {
    STATE.load(Relaxed) & ON != 0
}

pub fn checks_nan() -> bool {
    STATE.load(Relaxed) & CHECK_NAN != 0
}

/// Notes where `node` was recorded.
#[cold]
pub(crate) fn recorded(node: &Arc<Node>) {
    if let Some(watch) = WATCH.get() {
        let parent = RUNNING.with(|r| r.borrow().clone());
        (watch.recorded)(node, parent.as_ref());
    }
}

/// Runs the backward of `node` under watch.
#[cold]
pub(crate) fn watched<R>(node: &Arc<Node>, run: impl FnOnce() -> Result<R>) -> Result<R> {
    let before = RUNNING.with(|r| r.replace(Some(node.clone())));
    let result = run();
    RUNNING.with(|r| *r.borrow_mut() = before);
    if result.is_err()
        && let Some(watch) = WATCH.get()
    {
        (watch.failed)(node)?;
    }
    result
}

/// Fails when a gradient that `node` returned holds nan.
pub(crate) fn check(node: &Arc<Node>, grads: &Grads) -> Result<()> {
    if !checks_nan() {
        return Ok(());
    }
    let _mode = super::GradMode::set(false);
    for (i, g) in grads.iter().enumerate() {
        let Some(g) = g else { continue };
        let differs = crate::apply(crate::elementwise::Binary::Ne, &[g.clone(), g.clone()])?;
        if crate::reduce::any(&differs, &[], false)?.item()? != 0.0 {
            bail!(Runtime, "Function '{}' returned nan values in its {i}th output.", node.name());
        }
    }
    Ok(())
}
