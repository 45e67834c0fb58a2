//! Runs the recorded graph backwards: iterative, ordered as torch orders it (latest recorded first), graph freed as it is consumed.
use super::mode::GradMode;
use super::node::{Body, Edge, Node};
use crate::tensor::Tensor;
use rsnn_core::{Result, ensure};
use smallvec::SmallVec;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Hash of a pointer: its bits, mixed once.
#[derive(Default)]
struct PointerHash(u64);

impl Hasher for PointerHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_usize(b as usize);
        }
    }
    fn write_usize(&mut self, i: usize) {
        self.0 = (self.0 ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
}

type Table<V> = HashMap<usize, V, BuildHasherDefault<PointerHash>>;
type Buffer = SmallVec<[Option<Tensor>; 1]>;

/// Gradients asked for by `autograd.grad`, in the order of its inputs.
pub type Captured = Vec<Option<Tensor>>;

#[derive(Default)]
struct Task {
    waiting: usize,
    needed: bool,
    buffer: Buffer,
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

fn key(node: &Arc<Node>) -> usize {
    Arc::as_ptr(node) as usize
}

/// One backward pass.
pub struct Engine {
    tasks: Table<Task>,
    heap: BinaryHeap<Ready>,
    keep: bool,
    create: bool,
    /// (node, output) -> places in `captured`; empty for `backward`, which accumulates into leaves.
    wanted: Table<Vec<(u32, usize)>>,
    captured: Captured,
    capture_only: bool,
}

impl Engine {
    fn new(keep: bool, create: bool) -> Engine {
        Engine {
            tasks: Table::default(),
            heap: BinaryHeap::new(),
            keep,
            create,
            wanted: Table::default(),
            captured: vec![],
            capture_only: false,
        }
    }

    /// Counts how often each reachable node is fed, and marks what leads to a wanted node.
    fn plan(&mut self, roots: &[Edge]) {
        let mut order: Vec<Arc<Node>> = vec![];
        let mut stack: Vec<Arc<Node>> = vec![];
        for root in roots {
            if !self.tasks.contains_key(&key(&root.node)) {
                self.tasks.insert(key(&root.node), Task::default());
                stack.push(root.node.clone());
            }
        }
        while let Some(node) = stack.pop() {
            for edge in node.edges.iter().flatten() {
                let k = key(&edge.node);
                if let Some(task) = self.tasks.get_mut(&k) {
                    task.waiting += 1;
                } else {
                    self.tasks.insert(k, Task { waiting: 1, ..Task::default() });
                    stack.push(edge.node.clone());
                }
            }
            if self.capture_only {
                order.push(node);
            }
        }
        if !self.capture_only {
            return;
        }
        // Later nodes have larger sequence numbers, so parents come after children in ascending order.
        order.sort_by_key(|n| (n.edges.is_empty(), n.seq));
        let leaves = order.iter().position(|n| n.edges.is_empty()).unwrap_or(order.len());
        order.rotate_left(leaves);
        for node in &order {
            let needed = self.wanted.contains_key(&key(node))
                || node.edges.iter().flatten().any(|e| self.tasks.get(&key(&e.node)).is_some_and(|t| t.needed));
            if let Some(task) = self.tasks.get_mut(&key(node)) {
                task.needed = needed;
            }
        }
    }

    fn feed(&mut self, edge: &Edge, grad: Tensor) -> Result<()> {
        let Some(task) = self.tasks.get_mut(&key(&edge.node)) else { return Ok(()) };
        let nr = edge.nr as usize;
        if task.buffer.len() < edge.node.outputs.len().max(nr + 1) {
            task.buffer.resize(edge.node.outputs.len().max(nr + 1), None);
        }
        let meta = &edge.node.outputs[nr];
        let grad = fit(grad, &meta.shape, meta.dtype, &edge.node)?;
        let slot = &mut task.buffer[nr];
        *slot = Some(match slot.take() {
            None => grad,
            Some(have) => accumulate(have, grad, self.create)?,
        });
        Ok(())
    }

    fn run(&mut self, roots: &[Edge]) -> Result<()> {
        for root in roots {
            if self.tasks.get(&key(&root.node)).is_some_and(|t| t.waiting == 0) {
                // A root may be listed twice; it still runs once.
                if let Some(t) = self.tasks.get_mut(&key(&root.node)) {
                    t.waiting = usize::MAX;
                }
                self.heap.push(Ready(root.node.clone()));
            }
        }
        let mut steps = 0usize;
        while let Some(Ready(node)) = self.heap.pop() {
            steps += 1;
            if steps.is_multiple_of(256) {
                crate::interrupt::check()?;
            }
            let Some(task) = self.tasks.remove(&key(&node)) else { continue };
            let grads = self.before(&node, task.buffer)?;
            let results = self.execute(&node, grads, task.needed)?;
            self.spread(&node, results)?;
        }
        Ok(())
    }

    /// Tensor hooks, retained gradients and captures of what arrived at `node`.
    fn before(&mut self, node: &Arc<Node>, mut grads: Buffer) -> Result<Buffer> {
        if grads.len() < node.outputs.len() {
            grads.resize(node.outputs.len(), None);
        }
        if node.hooks.lock().is_some() {
            let (tensor, retain, pre) = {
                let hooks = node.hook_list();
                (hooks.tensor.clone(), hooks.retain.clone(), hooks.pre.clone())
            };
            for (nr, _, hook) in tensor {
                if let Some(g) = grads[nr as usize].clone()
                    && let Some(new) = hook(&g)?
                {
                    grads[nr as usize] = Some(fit(new, g.shape(), g.dtype(), node)?);
                }
            }
            for (nr, keep) in retain {
                if let Some(g) = &grads[nr as usize] {
                    keep(g);
                }
            }
            for (_, hook) in pre {
                if let Some(new) = hook(&grads, &[])? {
                    grads = new.into();
                }
            }
        }
        if let Some(wanted) = self.wanted.get(&key(node)) {
            for &(nr, at) in wanted {
                self.captured[at] = grads[nr as usize].clone();
            }
        }
        Ok(grads)
    }

    fn execute(&mut self, node: &Arc<Node>, grads: Buffer, needed: bool) -> Result<crate::op::Grads> {
        if let Some(leaf) = node.variable() {
            if !self.capture_only
                && let Some(g) = grads.into_iter().next().flatten()
            {
                self.accumulate_into(&leaf, g)?;
            }
            return Ok(SmallVec::new());
        }
        let continues =
            |e: &Edge, tasks: &Table<Task>| !self.capture_only || tasks.get(&key(&e.node)).is_some_and(|t| t.needed);
        let needs: SmallVec<[bool; 4]> =
            node.edges.iter().map(|e| e.as_ref().is_some_and(|e| continues(e, &self.tasks))).collect();
        if (self.capture_only && !needed) || grads.iter().all(Option::is_none) || !needs.iter().any(|&n| n) {
            if !self.keep && !matches!(&*node.body.lock(), Body::Custom(_)) && !self.capture_only {
                *node.body.lock() = Body::Released;
            }
            return Ok(SmallVec::new());
        }
        let mut results = if super::anomaly::is_enabled() {
            super::anomaly::watch(node, || node.run(&grads, &needs, self.keep, self.create))?
        } else {
            node.run(&grads, &needs, self.keep, self.create)?
        };
        let post = node.hooks.lock().as_ref().map(|h| h.post.clone()).unwrap_or_default();
        for (_, hook) in post {
            if let Some(new) = hook(&results, &grads)? {
                results = new.into();
            }
        }
        Ok(results)
    }

    fn spread(&mut self, node: &Arc<Node>, results: crate::op::Grads) -> Result<()> {
        let mut results = results.into_iter();
        for edge in &node.edges {
            let grad = results.next().flatten();
            let Some(edge) = edge else { continue };
            if let Some(grad) = grad {
                self.feed(edge, grad)?;
            }
            if let Some(task) = self.tasks.get_mut(&key(&edge.node)) {
                task.waiting -= 1;
                if task.waiting == 0 {
                    self.heap.push(Ready(edge.node.clone()));
                }
            }
        }
        Ok(())
    }

    fn accumulate_into(&self, leaf: &Tensor, mut g: Tensor) -> Result<()> {
        let (hooks, post) = {
            let meta = leaf.autograd();
            (meta.hooks.clone(), meta.post_accumulate.clone())
        };
        for (_, hook) in hooks {
            if let Some(new) = hook(&g)? {
                g = new;
            }
        }
        let old = leaf.grad();
        let new = match old {
            None if self.create => g,
            // A gradient that nobody else holds becomes `.grad` as it is.
            None if g.is_unshared() && g.is_contiguous() => g.detach(),
            None => crate::copy::copy(&g.detach())?,
            Some(old) if self.create => crate::elementwise::add(&old, &g)?,
            Some(old) => {
                let _mode = GradMode::set(false);
                crate::elementwise::add_into(&old, &g)?;
                old
            }
        };
        leaf.set_grad(Some(new));
        for (_, hook) in post {
            hook(leaf)?;
        }
        Ok(())
    }
}

/// Adds a second gradient to a first one, in place when nobody else sees it.
fn accumulate(have: Tensor, more: Tensor, create: bool) -> Result<Tensor> {
    if !create && have.is_unshared() && have.dtype() == more.dtype() && have.is_contiguous() {
        crate::elementwise::add_into(&have, &more)?;
        return Ok(have);
    }
    crate::elementwise::add(&have, &more)
}

/// Makes a gradient match the tensor it belongs to, or refuses it as torch does.
fn fit(grad: Tensor, shape: &[usize], dtype: rsnn_core::DType, node: &Arc<Node>) -> Result<Tensor> {
    let mut grad = grad;
    if grad.shape() != shape {
        let can = rsnn_core::broadcast_shapes(shape, grad.shape()).is_ok_and(|s| s.as_slice() == grad.shape());
        ensure!(
            can,
            Runtime,
            "Function {} returned an invalid gradient at index 0 - got {:?} but expected shape compatible with {shape:?}",
            node.name(),
            grad.shape()
        );
        grad = crate::reduce::sum_to(&grad, shape)?;
    }
    if grad.dtype() != dtype {
        grad = crate::copy::to_dtype(&grad, dtype)?;
    }
    Ok(grad)
}

/// The gradient that starts at `root`: given, or one for a scalar.
fn seed(root: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
    match given {
        Some(g) => {
            ensure!(
                g.shape() == root.shape(),
                Runtime,
                "Mismatch in shape: grad_output[0] has a shape of {:?} and output[0] has a shape of {:?}.",
                g.shape(),
                root.shape()
            );
            Ok(g.clone())
        }
        None => {
            ensure!(root.numel() == 1, Runtime, "grad can be implicitly created only for scalar outputs");
            crate::fill::full(root.shape(), 1.0, root.dtype(), root.device())
        }
    }
}

fn roots_of(outputs: &[Tensor]) -> Result<Vec<Edge>> {
    outputs
        .iter()
        .map(|o| match super::edge_of(o) {
            Some(edge) => Ok(edge),
            None => rsnn_core::bail!(Runtime, "element 0 of tensors does not require grad and does not have a grad_fn"),
        })
        .collect()
}

/// Accumulates gradients of `outputs` into the leaves (only into `inputs` where given).
pub fn backward(
    outputs: &[Tensor],
    seeds: &[Option<Tensor>],
    keep: bool,
    create: bool,
    inputs: &[Tensor],
) -> Result<()> {
    if !inputs.is_empty() {
        let found = grad(outputs, inputs, seeds, keep, create, true)?;
        let engine = Engine::new(keep, create);
        for (x, g) in inputs.iter().zip(found) {
            if let Some(g) = g {
                engine.accumulate_into(x, g)?;
            }
        }
        return Ok(());
    }
    let roots = roots_of(outputs)?;
    let mut engine = Engine::new(keep, create);
    engine.plan(&roots);
    for (i, (root, out)) in roots.iter().zip(outputs).enumerate() {
        let g = seed(out, seeds.get(i).and_then(Option::as_ref))?;
        engine.feed(root, g)?;
    }
    let _mode = GradMode::set(create);
    engine.run(&roots)
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
    let roots = roots_of(outputs)?;
    let mut engine = Engine::new(keep, create);
    engine.capture_only = true;
    engine.captured = vec![None; inputs.len()];
    let mut held = vec![];
    for (at, x) in inputs.iter().enumerate() {
        match super::edge_of(x) {
            Some(edge) => {
                engine.wanted.entry(key(&edge.node)).or_default().push((edge.nr, at));
                held.push(edge);
            }
            None => {
                ensure!(allow_unused, Runtime, "One of the differentiated Tensors does not require grad")
            }
        }
    }
    engine.plan(&roots);
    for (i, (root, out)) in roots.iter().zip(outputs).enumerate() {
        let g = seed(out, seeds.get(i).and_then(Option::as_ref))?;
        engine.feed(root, g)?;
    }
    let mode = GradMode::set(create);
    engine.run(&roots)?;
    drop(mode);
    ensure!(
        allow_unused || engine.captured.iter().all(Option::is_some),
        Runtime,
        "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
    );
    for (x, g) in inputs.iter().zip(&mut engine.captured) {
        // Hooks of leaves see captured gradients too.
        if let (Some(have), true) = (g.clone(), x.is_leaf()) {
            let hooks = x.autograd().hooks.clone();
            for (_, hook) in hooks {
                if let Some(new) = hook(&have)? {
                    *g = Some(new);
                }
            }
        }
    }
    Ok(std::mem::take(&mut engine.captured))
}
