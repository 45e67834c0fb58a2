//! What one backward pass will run: how often each node is fed, and which nodes lead to a wanted one.
use super::node::{Edge, Node};
use crate::release;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Hash of a pointer: its bits, mixed once.
#[derive(Default)]
pub(super) struct PointerHash(u64);

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

pub(super) type Table<V> = HashMap<usize, V, BuildHasherDefault<PointerHash>>;
pub(super) type Buffer = SmallVec<[Option<Tensor>; 1]>;

#[derive(Default)]
pub(super) struct Task {
    pub waiting: usize,
    pub needed: bool,
    pub buffer: Buffer,
}

pub(super) fn key(node: &Arc<Node>) -> usize {
    Arc::as_ptr(node) as usize
}

/// The nodes of one pass.
#[derive(Default)]
pub(super) struct Plan {
    pub tasks: Table<Task>,
    /// Only nodes that lead to a wanted one run.
    pub pruned: bool,
    /// Elements that the forward of its nodes read and wrote.
    elements: usize,
    /// (output, place among the wanted edges) by node.
    pub wanted: Table<Vec<(u32, usize)>>,
}

impl Plan {
    pub fn new<'a>(roots: impl Iterator<Item = &'a Arc<Node>>, wanted: Option<&[Option<Edge>]>) -> Plan {
        let mut plan = Plan { pruned: wanted.is_some(), ..Plan::default() };
        for (at, edge) in wanted.unwrap_or_default().iter().enumerate() {
            if let Some(edge) = edge {
                plan.wanted.entry(key(&edge.node)).or_default().push((edge.nr, at));
            }
        }
        let mut order: Vec<Arc<Node>> = vec![];
        let mut stack: Vec<Arc<Node>> = vec![];
        for root in roots {
            plan.tasks.entry(key(root)).or_insert_with(|| {
                stack.push(root.clone());
                Task::default()
            });
        }
        while let Some(node) = stack.pop() {
            plan.elements = plan.elements.saturating_add(node.elements);
            for edge in node.edges.iter().flatten() {
                let k = key(&edge.node);
                if let Some(task) = plan.tasks.get_mut(&k) {
                    task.waiting += 1;
                } else {
                    plan.tasks.insert(k, Task { waiting: 1, ..Task::default() });
                    stack.push(edge.node.clone());
                }
            }
            if plan.pruned {
                order.push(node);
            }
        }
        plan.mark(order);
        plan
    }

    fn mark(&mut self, mut order: Vec<Arc<Node>>) {
        // A node is recorded after those it leads to, and leaves lead nowhere.
        order.sort_by_key(|n| if n.edges.is_empty() { 0 } else { n.seq });
        for node in &order {
            let needed = self.wanted.contains_key(&key(node)) || node.edges.iter().flatten().any(|e| self.is_needed(e));
            if let Some(task) = self.tasks.get_mut(&key(node)) {
                task.needed = needed;
            }
        }
    }

    fn is_needed(&self, edge: &Edge) -> bool {
        self.tasks.get(&key(&edge.node)).is_some_and(|t| t.needed)
    }

    /// Whether the pass takes so long that other Python threads should run beside it.
    pub fn is_long(&self) -> bool {
        self.tasks.len() > 32 || self.elements >= release::LONG
    }

    /// Whether a gradient along `edge` is of use.
    pub fn continues(&self, edge: &Edge) -> bool {
        !self.pruned || self.is_needed(edge)
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static WATCHERS: AtomicUsize = AtomicUsize::new(0);

/// A pass as hooks may ask about it: its number and, when somebody watches, the nodes it will run.
struct Published {
    id: u64,
    nodes: Option<HashSet<usize>>,
}

thread_local! {
    static RUNNING: RefCell<Vec<Published>> = const { RefCell::new(Vec::new()) };
}

/// Marks a pass as running on this thread until dropped.
pub(super) struct Running;

impl Running {
    pub fn enter(plan: &Plan) -> Running {
        let runs = |t: &Task| !plan.pruned || t.needed;
        let nodes =
            (WATCHERS.load(Relaxed) > 0).then(|| plan.tasks.iter().filter(|(_, t)| runs(t)).map(|(&k, _)| k).collect());
        RUNNING.with(|r| r.borrow_mut().push(Published { id: NEXT.fetch_add(1, Relaxed), nodes }));
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|r| r.borrow_mut().pop());
    }
}

/// Counts those who ask `will_run`; passes publish their nodes while there is one.
pub fn watch_plans(on: bool) {
    if on {
        WATCHERS.fetch_add(1, Relaxed);
    } else {
        WATCHERS.fetch_sub(1, Relaxed);
    }
}

/// The number of the innermost pass on this thread.
pub fn running_id() -> Option<u64> {
    RUNNING.with(|r| r.borrow().last().map(|p| p.id))
}

/// Whether the innermost pass runs `node`.
pub fn will_run(node: &Arc<Node>) -> bool {
    RUNNING.with(|r| r.borrow().last().and_then(|p| p.nodes.as_ref()).is_some_and(|n| n.contains(&key(node))))
}
