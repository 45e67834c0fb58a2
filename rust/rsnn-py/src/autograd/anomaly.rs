//! Anomaly detection: tracebacks of the forward, kept with the nodes, and the warning that shows them.
use super::node::{metadata, node_object};
use crate::prelude::*;
use crate::raise::park;
use pyo3::exceptions::PyUserWarning;
use pyo3::types::PyDict;
use rsnn_ops::autograd::{Node, anomaly};
use std::sync::Arc;

const TRACE: &str = "traceback_";
const PARENT: &str = "parent_";

fn recorded(node: &Arc<Node>, parent: Option<&Arc<Node>>) {
    Python::attach(|py| {
        let note = || -> PyResult<()> {
            let stack = py.import("traceback")?.call_method0("format_stack")?;
            let notes = metadata(py, node);
            notes.bind(py).set_item(TRACE, stack)?;
            if let Some(parent) = parent {
                notes.bind(py).set_item(PARENT, node_object(py, parent)?)?;
            }
            Ok(())
        };
        // A node without a traceback is reported without one.
        let _ = note();
    });
}

fn trace(notes: &Bound<'_, PyDict>) -> PyResult<Option<String>> {
    let Some(stack) = notes.get_item(TRACE)? else { return Ok(None) };
    Ok(Some(stack.extract::<Vec<String>>()?.concat()))
}

/// The warning's text: the node's own traceback, then those of the nodes whose backward recorded it.
fn describe(py: Python<'_>, node: &Arc<Node>) -> PyResult<String> {
    let mut notes = metadata(py, node);
    let mut text = match trace(notes.bind(py))? {
        Some(t) => format!("Error detected in {}. Traceback of forward call that caused the error:\n{t}", node.name()),
        None => format!(
            "Error detected in {}. No forward pass information available. Enable detect anomaly during forward pass for more information.",
            node.name()
        ),
    };
    while let Some(parent) = notes.bind(py).get_item(PARENT)? {
        let name: String = parent.call_method0("name")?.extract()?;
        notes = parent.getattr("metadata")?.cast_into::<PyDict>()?.unbind();
        text += &match trace(notes.bind(py))? {
            Some(t) => format!(
                "\n\nPrevious calculation was induced by {name}. Traceback of forward call that induced the previous calculation:\n{t}"
            ),
            None => format!(
                "\n\nPrevious calculation was induced by {name}. No forward pass information available. Enable detect anomaly during forward pass for more information."
            ),
        };
    }
    Ok(text)
}

fn failed(node: &Arc<Node>) -> rsnn_ops::Result<()> {
    Python::attach(|py| {
        let text = std::ffi::CString::new(describe(py, node)?.replace('\0', " "))?;
        PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)
    })
    .map_err(park)
}

#[pyfunction]
fn set_anomaly(enabled: bool, check_nan: bool) {
    anomaly::set(enabled, check_nan);
}
/// (enabled, checks for nan).
#[pyfunction]
#[pyo3(name = "anomaly")]
fn state() -> (bool, bool) {
    (anomaly::is_on(), anomaly::checks_nan())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    anomaly::install(anomaly::Watch { recorded, failed });
    functions!(m, set_anomaly, state);
    Ok(())
}
