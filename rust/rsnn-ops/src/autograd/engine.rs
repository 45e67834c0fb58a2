//! Runs the recorded graph backwards: iterative, ordered as torch orders it (latest recorded first), graph freed as it is consumed.
use super::hooks::{leaf_hooks, node_hooks, tensor_hooks};
use super::mode::GradMode;
use super::node::{Edge, Node, NodeHook};
use super::plan::{Buffer, Plan, key};
use super::{anomaly, plan};
use crate::op::Grads;
use crate::release;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{Layout, Result, ensure};
use smallvec::SmallVec;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Gradients asked for by `autograd.grad`, in the order of its inputs.
pub type Captured = Vec<Option<Tensor>>;

/// Where a backward pass begins, and the gradient it begins with.
pub struct Root {
    pub edge: Edge,
    pub meta: Meta,
}

impl Root {
    /// The place of `x` in the graph; `i` is its number for the error.
    pub fn of(x: &Tensor, i: usize) -> Result<Root> {
        match super::edge_of(x) {
            Some(edge) => Ok(Root { edge, meta: x.meta() }),
            None => {
                rsnn_core::bail!(Runtime, "element {i} of tensors does not require grad and does not have a grad_fn")
            }
        }
    }

    /// Output `edge.nr` of a node.
    pub fn at(edge: Edge) -> Result<Root> {
        match edge.node.outputs.get(edge.nr as usize) {
            Some(meta) => Ok(Root { meta: meta.clone(), edge }),
            None => rsnn_core::bail!(Runtime, "{} has no output {}", edge.node.name(), edge.nr),
        }
    }
}

/// How a backward pass treats the graph and the leaves.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// Keep the saved tensors for another backward.
    pub keep: bool,
    /// Make the gradients differentiable.
    pub create: bool,
    /// Add to `.grad` of the leaves instead of returning gradients.
    pub accumulate: bool,
}

struct Ready(Arc<Node>);

impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        self.0.seq == other.0.seq
    }
}
impl Eq for Ready {}
impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ready {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.seq.cmp(&other.0.seq)
    }
}

/// One backward pass.
struct Engine {
    plan: Plan,
    heap: BinaryHeap<Ready>,
    how: How,
    captured: Captured,
}

impl Engine {
    fn feed(&mut self, edge: &Edge, grad: Tensor) -> Result<()> {
        let Some(task) = self.plan.tasks.get_mut(&key(&edge.node)) else { return Ok(()) };
        let nr = edge.nr as usize;
        if task.buffer.len() < edge.node.outputs.len().max(nr + 1) {
            task.buffer.resize(edge.node.outputs.len().max(nr + 1), None);
        }
        let slot = &mut task.buffer[nr];
        *slot = Some(match slot.take() {
            None => grad,
            Some(have) => accumulate(have, grad, self.how.create)?,
        });
        Ok(())
    }

    fn run(&mut self, roots: &[Root]) -> Result<()> {
        for root in roots {
            if let Some(task) = self.plan.tasks.get_mut(&key(&root.edge.node))
                && task.waiting == 0
            {
                // A root may be listed twice; it still runs once.
                task.waiting = usize::MAX;
                self.heap.push(Ready(root.edge.node.clone()));
            }
        }
        let mut steps = 0usize;
        while let Some(Ready(node)) = self.heap.pop() {
            steps += 1;
            if steps.is_multiple_of(256) {
                crate::interrupt::check()?;
            }
            let Some(task) = self.plan.tasks.remove(&key(&node)) else { continue };
            let results = if anomaly::is_on() {
                anomaly::watched(&node, || self.step(&node, task.buffer, task.needed))?
            } else {
                self.step(&node, task.buffer, task.needed)?
            };
            self.spread(&node, results)?;
        }
        Ok(())
    }

    /// Hooks, captures and the backward of one node.
    fn step(&mut self, node: &Arc<Node>, mut grads: Buffer, needed: bool) -> Result<Grads> {
        if grads.len() < node.outputs.len() {
            grads.resize(node.outputs.len(), None);
        }
        let executes = self.executes(node, needed);
        let leaf = if node.edges.is_empty() { node.variable() } else { None };
        let hooked = node.hooks.lock().is_some();
        if let (Some(wanted), true) = (self.plan.wanted.get(&key(node)), executes) {
            capture(&mut self.captured, wanted, &grads);
        }
        if let Some(leaf) = &leaf {
            leaf_hooks(leaf, &mut grads)?;
        }
        if hooked {
            tensor_hooks(node, &mut grads)?;
        }
        if !executes {
            if let Some(wanted) = self.plan.wanted.get(&key(node)) {
                capture(&mut self.captured, wanted, &grads);
            }
            return Ok(Grads::new());
        }
        let post = if hooked { node_hooks(node, &mut grads)? } else { vec![] };
        if let Some(leaf) = leaf {
            return self.finish(&leaf, grads, &post);
        }
        let begin = crate::profile::now();
        let results = self.execute(node, &grads, &post);
        if begin.is_some() {
            crate::profile::note(&node.name(), begin);
        }
        results
    }

    /// Whether the node itself runs: in a pruned pass only what leads to a wanted node does.
    fn executes(&self, node: &Arc<Node>, needed: bool) -> bool {
        if !self.plan.pruned {
            return true;
        }
        match node.edges.is_empty() {
            true => self.how.accumulate && needed,
            false => (self.how.accumulate && needed) || node.edges.iter().flatten().any(|e| self.plan.continues(e)),
        }
    }

    /// Accumulates into a leaf.
    fn finish(&self, leaf: &Tensor, mut grads: Buffer, post: &[(u64, NodeHook)]) -> Result<Grads> {
        // Taken out where no hook asks for it: a gradient that nobody else holds needs no copy.
        let g = if post.is_empty() { grads.pop() } else { grads.first().cloned() };
        if let Some(g) = g.flatten() {
            self.accumulate_into(leaf, g)?;
        }
        for (_, hook) in post {
            hook(&[], &grads)?;
        }
        Ok(Grads::new())
    }

    fn execute(&self, node: &Arc<Node>, grads: &Buffer, post: &[(u64, NodeHook)]) -> Result<Grads> {
        let needs: SmallVec<[bool; 4]> =
            node.edges.iter().map(|e| e.as_ref().is_some_and(|e| self.plan.continues(e))).collect();
        let idle = grads.iter().all(Option::is_none) || !needs.iter().any(|&n| n);
        let mut results = if idle && !node.is_custom() {
            node.consume(self.how.keep)?;
            smallvec::smallvec![None; node.edges.len()]
        } else {
            node.run(grads, &needs, self.how.keep, self.how.create)?
        };
        for (i, (edge, g)) in node.edges.iter().zip(&mut results).enumerate() {
            if let (Some(edge), Some(have)) = (edge, g.take()) {
                *g = Some(fit(have, &edge.node.outputs[edge.nr as usize], node, i)?);
            }
        }
        if anomaly::is_on() {
            anomaly::check(node, &results)?;
        }
        for (_, hook) in post {
            if let Some(new) = hook(&results, grads)? {
                results = new.into();
            }
        }
        Ok(results)
    }

    fn spread(&mut self, node: &Arc<Node>, results: Grads) -> Result<()> {
        let mut results = results.into_iter();
        for edge in &node.edges {
            let grad = results.next().flatten();
            let Some(edge) = edge else { continue };
            if let Some(grad) = grad {
                self.feed(edge, grad)?;
            }
            if let Some(task) = self.plan.tasks.get_mut(&key(&edge.node)) {
                task.waiting -= 1;
                if task.waiting == 0 {
                    self.heap.push(Ready(edge.node.clone()));
                }
            }
        }
        Ok(())
    }

    fn accumulate_into(&self, leaf: &Tensor, g: Tensor) -> Result<()> {
        let new = match leaf.grad() {
            None if self.how.create => g,
            // A gradient that nobody else holds becomes `.grad` as it is.
            None if g.is_unshared() && lies_as(&g, leaf) => {
                if g.requires_grad() {
                    g.detach()
                } else {
                    g
                }
            }
            None => {
                let like = if leaf.layout().is_dense() { leaf.layout().clone() } else { Layout::contiguous(g.shape()) };
                let fresh = Tensor::empty_strided(g.shape(), like.strides, g.dtype(), g.device())?;
                crate::copy::copy_into(&g, &fresh)?;
                fresh
            }
            Some(old) if self.how.create => crate::elementwise::add(&old, &g)?,
            Some(old) => {
                let _mode = GradMode::set(false);
                crate::elementwise::add_into(&old, &g)?;
                old
            }
        };
        leaf.set_grad(Some(new));
        let post = leaf.autograd().hooks.as_ref().map_or(vec![], |hooks| hooks.after.clone());
        for (_, hook) in post {
            hook(leaf)?;
        }
        Ok(())
    }
}

/// Whether `.grad` of `leaf` may lie in memory as `g` does: like a leaf without gaps, or row-major.
fn lies_as(g: &Tensor, leaf: &Tensor) -> bool {
    let (g, leaf) = (g.layout(), leaf.layout());
    if !leaf.is_dense() {
        return g.is_contiguous();
    }
    (0..g.ndim()).all(|d| g.shape[d] == 1 || g.strides[d] == leaf.strides[d])
}

fn capture(captured: &mut Captured, wanted: &[(u32, usize)], grads: &Buffer) {
    for &(nr, at) in wanted {
        // A pass that accumulates into leaves captures nothing.
        if let Some(place) = captured.get_mut(at) {
            *place = grads[nr as usize].clone();
        }
    }
}

/// Adds a second gradient to a first one, in place when nobody else sees it.
fn accumulate(have: Tensor, more: Tensor, create: bool) -> Result<Tensor> {
    if !create && have.is_unshared() && have.dtype() == more.dtype() && have.layout().is_dense() {
        crate::elementwise::add_into(&have, &more)?;
        return Ok(have);
    }
    crate::elementwise::add(&have, &more)
}

/// Makes a gradient match the tensor it belongs to, or refuses it as torch does.
fn fit(grad: Tensor, to: &Meta, node: &Arc<Node>, i: usize) -> Result<Tensor> {
    let mut grad = grad;
    let shape = to.shape.as_slice();
    if grad.shape() != shape {
        let can = rsnn_core::broadcast_shapes(shape, grad.shape()).is_ok_and(|s| s.as_slice() == grad.shape());
        ensure!(
            can,
            Runtime,
            "Function {} returned an invalid gradient at index {i} - got {:?} but expected shape compatible with {shape:?}",
            node.name(),
            grad.shape()
        );
        grad = crate::reduce::sum_to(&grad, shape)?;
    }
    if grad.dtype() != to.dtype {
        grad = crate::copy::to_dtype(&grad, to.dtype)?;
    }
    Ok(grad)
}

/// The gradient that starts at root `i`: given, or one for a scalar.
fn seed(root: &Meta, given: Option<&Tensor>, i: usize) -> Result<Tensor> {
    let sizes = |shape: &[usize]| format!("rsnn.Size({shape:?})");
    match given {
        Some(g) => {
            ensure!(
                g.shape() == root.shape.as_slice(),
                Runtime,
                "Mismatch in shape: grad_output[{i}] has a shape of {} and output[{i}] has a shape of {}.",
                sizes(g.shape()),
                sizes(&root.shape)
            );
            crate::copy::to_dtype(g, root.dtype)
        }
        None => {
            let one = root.shape.iter().product::<usize>() == 1;
            ensure!(one, Runtime, "grad can be implicitly created only for scalar outputs");
            crate::fill::full(&root.shape, 1.0, root.dtype, root.device)
        }
    }
}

/// One backward pass from `roots`. With `wanted` only what leads there runs; `None` in it is never reached.
/// Returns the gradients at `wanted`, or accumulates into the leaves.
pub fn run_edges(
    roots: &[Root],
    seeds: &[Option<Tensor>],
    wanted: Option<&[Option<Edge>]>,
    how: How,
) -> Result<Captured> {
    let plan = Plan::new(roots.iter().map(|r| &r.edge.node), wanted);
    let count = if how.accumulate { 0 } else { wanted.map_or(0, <[_]>::len) };
    let mut engine = Engine { plan, heap: BinaryHeap::new(), how, captured: vec![None; count] };
    let _running = plan::Running::enter(&engine.plan);
    for (i, root) in roots.iter().enumerate() {
        let g = seed(&root.meta, seeds.get(i).and_then(Option::as_ref), i)?;
        engine.feed(&root.edge, g)?;
    }
    let _mode = GradMode::set(how.create);
    if engine.plan.is_long() {
        release::unlocked(|| engine.run(roots)).unwrap_or(Ok(()))?;
    } else {
        engine.run(roots)?;
    }
    Ok(engine.captured)
}

fn roots_of(outputs: &[Tensor]) -> Result<Vec<Root>> {
    outputs.iter().enumerate().map(|(i, o)| Root::of(o, i)).collect()
}

/// Accumulates gradients of `outputs` into the leaves (only into `inputs` where given).
pub fn backward(
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    keep: bool,
    create: bool,
    inputs: &[Tensor],
) -> Result<()> {
    let wanted: Vec<_> = inputs.iter().map(super::edge_of).collect();
    let wanted = (!inputs.is_empty()).then_some(wanted);
    run_edges(&roots_of(outputs)?, seeds, wanted.as_deref(), How { keep, create, accumulate: true }).map(drop)
}

/// Gradients of `outputs` with respect to `inputs`, accumulated nowhere.
pub fn grad(
    outputs: &[Tensor],
    inputs: &[Tensor],
    seeds: &[Option<Tensor>],
    keep: bool,
    create: bool,
    allow_unused: bool,
) -> Result<Captured> {
    let wanted: Vec<_> = inputs.iter().map(super::edge_of).collect();
    let found = run_edges(&roots_of(outputs)?, seeds, Some(&wanted), How { keep, create, accumulate: false })?;
    check_used(&found, allow_unused)?;
    Ok(found)
}

/// Refuses a missing gradient unless that is asked for.
pub fn check_used(found: &Captured, allow_unused: bool) -> Result<()> {
    if let (Some(i), false) = (found.iter().position(Option::is_none), allow_unused) {
        rsnn_core::bail!(
            Runtime,
            "The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
        );
    }
    Ok(())
}
