//! Leaves that function transforms (`func.grad` and the like) make for their own use, told from those of the user.
use super::node::{Edge, Node};
use super::plan::{Table, key};
use crate::tensor::Tensor;
use std::sync::Arc;

/// Marks `leaf` as made by the transform numbered `level`; 0 is the user.
pub fn set_level(leaf: &Tensor, level: u64) {
    leaf.autograd().level = level;
}

/// Whether gradients of `outputs` can reach a leaf of the user or of one of the transforms `outer`, which still run.
pub fn depends_on_outer(outputs: &[Tensor], outer: &[u64]) -> bool {
    let mut seen: Table<()> = Table::default();
    let mut stack: Vec<Arc<Node>> = outputs.iter().filter_map(super::edge_of).map(|e: Edge| e.node).collect();
    while let Some(node) = stack.pop() {
        if seen.insert(key(&node), ()).is_some() {
            continue;
        }
        if let Some(leaf) = node.variable() {
            let level = leaf.autograd().level;
            if level == 0 || outer.contains(&level) {
                return true;
            }
        }
        stack.extend(node.edges.iter().flatten().map(|e| e.node.clone()));
    }
    false
}
