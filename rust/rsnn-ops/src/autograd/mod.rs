//! Autograd: the recorded graph (`node`), its execution (`engine`), grad mode, and what in-place ops do to history (`inplace`).
pub mod anomaly;
mod engine;
mod hooks;
mod inplace;
mod levels;
mod mode;
mod node;
mod plan;
mod saved;

pub use engine::{Captured, How, Root, backward, check_used, grad, run_edges};
pub use inplace::{
    Creation, assign, check_inplace, edge_of, forget, retain_grad, set_history, take_history, track_view,
};
pub use levels::{depends_on_outer, set_level};
pub use mode::{GradMode, is_enabled, is_grad_mode, is_inference, set_enabled, set_inference};
pub(crate) use mode::{is_autocast, is_profiled, is_watched, set_autocast, set_profiled};
pub use node::{Custom, Edge, Hook, Node, NodeHook, accumulator, released};
pub use plan::{running_id, watch_plans, will_run};
pub use saved::{Ctx, SavedHooks, SavedTensor, disable_saved_hooks, pop_saved_hooks, push_saved_hooks};
