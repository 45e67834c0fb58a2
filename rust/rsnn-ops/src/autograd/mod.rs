//! Autograd: the recorded graph (`node`), its execution (`engine`), grad mode, and what in-place ops do to history (`inplace`).
pub mod anomaly;
mod engine;
mod inplace;
mod mode;
mod node;
mod saved;

pub use engine::{Captured, Engine, backward, grad};
pub use inplace::{assign, check_inplace, edge_of, forget, retain_grad, set_history, take_history, track_view};
pub use mode::{GradMode, is_enabled, is_inference, set_enabled, set_inference};
pub use node::{Custom, Edge, Hook, Node, NodeHook, accumulator};
pub use saved::{Ctx, SavedHooks, SavedTensor, pop_saved_hooks, push_saved_hooks};
