//! Anomaly detection: each node remembers where it was recorded; backward checks for nan and says which call was at fault.
use super::node::Node;
use crate::tensor::Tensor;
use rsnn_core::{Result, bail};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

const ENABLED: u8 = 1;
const CHECK_NAN: u8 = 2;
static MODE: AtomicU8 = AtomicU8::new(CHECK_NAN);

/// What the binding offers: the call stack as text, and a warning to the user.
pub struct Reporter {
    pub stack: fn() -> String,
    pub warn: fn(&str) -> Result<()>,
}
static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// Where a node was recorded, and by the backward of which node, if it was.
pub(crate) struct Origin {
    stack: String,
    parent: Option<Arc<Node>>,
}

thread_local! {
    /// The node whose backward runs on this thread.
    static RUNNING: RefCell<Option<Arc<Node>>> = const { RefCell::new(None) };
}

pub fn install(reporter: Reporter) {
    REPORTER.get_or_init(|| reporter);
}

#[inline(always)]
pub fn is_enabled() -> bool {
    MODE.load(Relaxed) & ENABLED != 0
}

pub fn checks_nan() -> bool {
    MODE.load(Relaxed) & CHECK_NAN != 0
}

pub fn set(enabled: bool, check_nan: bool) {
    MODE.store(if enabled { ENABLED } else { 0 } | if check_nan { CHECK_NAN } else { 0 }, Relaxed);
}

/// For a node that is being recorded.
pub(crate) fn origin() -> Option<Box<Origin>> {
    if !is_enabled() {
        return None;
    }
    let stack = REPORTER.get().map_or_else(String::new, |r| (r.stack)());
    Some(Box::new(Origin { stack, parent: RUNNING.with(|r| r.borrow().clone()) }))
}

/// Runs the backward of `node`; what goes wrong in it is reported with the place where the node came from.
pub(crate) fn watch<G: AsRef<[Option<Tensor>]>>(node: &Arc<Node>, run: impl FnOnce() -> Result<G>) -> Result<G> {
    let before = RUNNING.with(|r| r.borrow_mut().replace(node.clone()));
    let result = run();
    RUNNING.with(|r| *r.borrow_mut() = before);
    let result = match result {
        Ok(result) => result,
        Err(e) => {
            report(node)?;
            return Err(e);
        }
    };
    if checks_nan() {
        for (i, grad) in result.as_ref().iter().enumerate() {
            if let Some(grad) = grad
                && has_nan(grad)?
            {
                report(node)?;
                bail!(Runtime, "Function '{}' returned nan values in its {i}th output.", node.name());
            }
        }
    }
    Ok(result)
}

fn has_nan(grad: &Tensor) -> Result<bool> {
    let grad = grad.detach();
    Ok(crate::reduce::any(&crate::unary::test("isnan", &grad)?, &[], false)?.item()? != 0.0)
}

fn report(node: &Arc<Node>) -> Result<()> {
    let Some(reporter) = REPORTER.get() else { return Ok(()) };
    let Some(origin) = &node.origin else {
        return (reporter.warn)(&format!(
            "Error detected in {}. No forward pass information available. Enable detect anomaly during forward pass for more information.",
            node.name()
        ));
    };
    (reporter.warn)(&format!(
        "Error detected in {}. Traceback of forward call that caused the error:\n{}",
        node.name(),
        origin.stack
    ))?;
    let mut parent = origin.parent.clone();
    while let Some(node) = parent {
        match &node.origin {
            Some(origin) => (reporter.warn)(&format!(
                "\n\nPrevious calculation was induced by {}. Traceback of forward call that induced the previous calculation:\n{}",
                node.name(),
                origin.stack
            ))?,
            None => (reporter.warn)(&format!(
                "\n\nPrevious calculation was induced by {}. No forward pass information available.",
                node.name()
            ))?,
        }
        parent = node.origin.as_ref().and_then(|o| o.parent.clone());
    }
    Ok(())
}
