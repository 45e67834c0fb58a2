//! Which hooks run at a node, and in which order: those of tensors, retained gradients, then those of the node itself.
use super::node::{Node, NodeHook};
use super::plan::Buffer;
use crate::tensor::Tensor;
use rsnn_core::Result;
use std::sync::Arc;

/// Hooks of a leaf, before its gradient is accumulated.
pub(super) fn leaf_hooks(leaf: &Tensor, grads: &mut Buffer) -> Result<()> {
    let hooks = leaf.autograd().hooks.as_ref().map_or(vec![], |hooks| hooks.before.clone());
    for (_, hook) in hooks {
        if let Some(g) = &grads[0]
            && let Some(new) = hook(g)?
        {
            grads[0] = Some(new);
        }
    }
    Ok(())
}

/// Hooks of the tensors that `node` produced, then retained gradients.
pub(super) fn tensor_hooks(node: &Arc<Node>, grads: &mut Buffer) -> Result<()> {
    let (tensor, retain) = {
        let hooks = node.hook_list();
        (hooks.tensor.clone(), hooks.retain.clone())
    };
    for (nr, _, hook) in tensor {
        if let Some(g) = &grads[nr as usize]
            && let Some(new) = hook(g)?
        {
            grads[nr as usize] = Some(new);
        }
    }
    for (nr, _, keep) in retain {
        if let Some(g) = &grads[nr as usize] {
            keep(g);
        }
    }
    Ok(())
}

/// Runs the hooks that come before the node itself; returns those that come after it.
pub(super) fn node_hooks(node: &Arc<Node>, grads: &mut Buffer) -> Result<Vec<(u64, NodeHook)>> {
    let (pre, post) = {
        let hooks = node.hook_list();
        (hooks.pre.clone(), hooks.post.clone())
    };
    for (_, hook) in pre {
        if let Some(new) = hook(grads, &[])? {
            *grads = new.into();
        }
    }
    Ok(post)
}
