//! The thread policy: one rayon pool sized by affinity and cgroup quota; work is cut by shape, never by thread count.
use crate::post::Post;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A raw pointer that chunks of one job may share; each chunk writes its own range.
#[derive(Clone, Copy)]
pub struct SendPtr<T>(pub *mut T);
// SAFETY: the pointer is only used inside `for_each_chunk`, where chunks touch disjoint ranges.
unsafe impl<T> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    /// The pointer itself; a method so that closures capture the whole wrapper.
    #[inline(always)]
    pub fn get(self) -> *mut T {
        self.0
    }
}

/// Threads the machine grants this process: affinity and cgroup quota, lowered or raised by the environment.
fn default_threads() -> usize {
    let asked = ["RSNN_NUM_THREADS", "OMP_NUM_THREADS"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.trim().parse::<usize>().ok())
        .filter(|&n| n > 0);
    // The standard library reads the affinity mask and the cgroup v1/v2 quota.
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).min(MAX_THREADS)
}

const MAX_THREADS: usize = 256;
/// Threads asked for; 0 = not set yet.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Threads that kernels may use.
pub fn num_threads() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            let n = default_threads();
            // Keep a value that `set_num_threads` stored meanwhile.
            match LIMIT.compare_exchange(0, n, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => n,
                Err(set) => set,
            }
        }
        n => n,
    }
}

/// Bounds the threads that kernels use from now on; results do not depend on it.
pub fn set_num_threads(n: usize) {
    LIMIT.store(n.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

/// Number of chunks for `len` items with at least `grain` items each; a function of the shape only.
pub fn split(len: usize, grain: usize) -> usize {
    (len / grain.max(1)).clamp(1, 64)
}

/// The `i`-th of `n_chunks` nearly equal ranges of `0..len`.
pub fn range(len: usize, n_chunks: usize, i: usize) -> Range<usize> {
    len * i / n_chunks..len * (i + 1) / n_chunks
}

/// Runs `f(0..n_chunks)` in parallel; the caller takes part and never waits for a helper that came too late.
pub fn for_each_chunk(n_chunks: usize, f: impl Fn(usize) + Sync) {
    if INTERRUPTED.get() {
        return; // a later loop of a kernel that was stopped
    }
    if n_chunks > 1
        && num_threads() > 1
        && let Some(pool) = pool()
    {
        return run(pool, num_threads().min(n_chunks).min(pool.size), n_chunks, &f);
    }
    let watch = (n_chunks > 1).then(Watch::start).flatten();
    for i in 0..n_chunks {
        f(i);
        if watch.as_ref().is_some_and(Watch::interrupted) {
            return;
        }
    }
}

/// Ranges of chunks that threads begin with.
const LANES: usize = 16;

fn run(pool: &'static Pool, threads: usize, n_chunks: usize, f: &(dyn Fn(usize) + Sync)) {
    // Each thread begins with a range of its own, the same one in every loop of this size: what one op wrote is then in
    // the cache of the core that reads it in the next. Who has finished helps with the other ranges.
    let lanes = threads.min(LANES);
    let next: [AtomicUsize; LANES] =
        std::array::from_fn(|lane| AtomicUsize::new(range(n_chunks, lanes, lane.min(lanes)).start));
    let watch = Watch::start();
    let drain = |thread: usize| {
        for lane in (0..lanes).map(|k| (thread + k) % lanes) {
            let end = range(n_chunks, lanes, lane).end;
            loop {
                let i = next[lane].fetch_add(1, Ordering::Relaxed);
                if i >= end {
                    break;
                }
                f(i);
                if watch.as_ref().is_some_and(Watch::interrupted) {
                    next.iter().for_each(|n| n.store(n_chunks, Ordering::Relaxed));
                }
            }
        }
    };
    // A panic of one thread is raised in the caller, when nobody works on its loop any more.
    let panic = Mutex::new(None);
    let help = |thread: usize| {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drain(thread))) {
            *panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
        }
    };
    let call = || pool.rayon.spawn(|| pool.post.serve(pool.rayon.current_thread_index().unwrap_or(0) + pool.outside));
    if !pool.post.run(&help, threads - 1, call) {
        // Inside of another loop, or beside one of another thread. The scope waits only for helpers that have begun.
        pool.rayon.in_place_scope(|scope| {
            let help = &help;
            for thread in 1..threads {
                scope.spawn(move |_| help(thread));
            }
            help(0);
        });
    }
    if let Some(payload) = panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(payload);
    }
}

/// Asks whether the user wants to stop; given by the binding.
static ASK: OnceLock<fn() -> bool> = OnceLock::new();
/// A loop shorter than this is not worth stopping: its tensors are left whole.
const PATIENCE: Duration = Duration::from_millis(100);

thread_local! {
    /// This thread may call `ASK`.
    static ASKS: Cell<bool> = const { Cell::new(false) };
    static INTERRUPTED: Cell<bool> = const { Cell::new(false) };
}

/// Lets long loops that this thread starts call `ask` between chunks; `true` leaves the rest of the loop undone.
pub fn watch_interrupts(ask: fn() -> bool) {
    ASKS.set(ASK.set(ask).is_ok());
}

/// Whether a loop of this thread was left undone since the last call.
pub fn take_interrupted() -> bool {
    INTERRUPTED.replace(false)
}

/// When a loop began, if its thread may ask.
struct Watch(Instant);

impl Watch {
    fn start() -> Option<Watch> {
        ASKS.get().then(|| Watch(Instant::now()))
    }

    fn interrupted(&self) -> bool {
        if !ASKS.get() || self.0.elapsed() < PATIENCE {
            return false;
        }
        let stop = INTERRUPTED.get() || ASK.get().is_some_and(|ask| ask());
        INTERRUPTED.set(stop);
        stop
    }
}

struct Pool {
    rayon: rayon::ThreadPool,
    size: usize,
    /// 1 if the thread that built the pool is none of its workers.
    outside: usize,
    post: Post,
}

/// The pool of this process; null before first use and after `fork` in the child.
static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());
static BUILDING: AtomicBool = AtomicBool::new(false);

/// The pool, built on first use; `None` while another thread builds it or if threads cannot be started.
fn pool() -> Option<&'static Pool> {
    let p = POOL.load(Ordering::Acquire);
    if p.is_null() {
        return build();
    }
    // SAFETY: a published pool is never freed.
    Some(unsafe { &*p })
}

#[cold]
fn build() -> Option<&'static Pool> {
    if BUILDING.swap(true, Ordering::Acquire) {
        return None;
    }
    if !POOL.load(Ordering::Acquire).is_null() {
        BUILDING.store(false, Ordering::Release);
        return pool();
    }
    let size = default_threads().max(num_threads());
    let builder = || rayon::ThreadPoolBuilder::new().num_threads(size).thread_name(|i| format!("rsnn-{i}"));
    // The building thread becomes worker 0: its calls need no hand-over. It may already belong to another pool,
    // as in a forked child; then all workers are fresh threads and the caller stays outside.
    let rayon = builder().use_current_thread().build().or_else(|_| builder().num_threads(size.max(2) - 1).build());
    let made = rayon.ok().map(|rayon| {
        let outside = usize::from(rayon.current_thread_index().is_none());
        &*Box::leak(Box::new(Pool { rayon, size, outside, post: Post::default() }))
    });
    if let Some(pool) = made {
        watch_fork();
        POOL.store(std::ptr::from_ref(pool).cast_mut(), Ordering::Release);
        BUILDING.store(false, Ordering::Release);
    }
    // Where no thread can be started the flag stays up and everything runs on the calling thread.
    made
}

#[cfg(unix)]
fn watch_fork() {
    /// The helpers do not exist in the child: forget the pool, the next job builds a fresh one.
    extern "C" fn child() {
        POOL.store(std::ptr::null_mut(), Ordering::Release);
        BUILDING.store(false, Ordering::Release);
    }
    static ONCE: AtomicBool = AtomicBool::new(false);
    if !ONCE.swap(true, Ordering::Relaxed) {
        // SAFETY: the handler only stores to atomics, which is allowed between fork and exec.
        unsafe { libc::pthread_atfork(None, None, Some(child)) };
    }
}

#[cfg(not(unix))]
fn watch_fork() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of_squares(n: usize) -> usize {
        let sum = AtomicUsize::new(0);
        for_each_chunk(n, |i| {
            sum.fetch_add(i * i, Ordering::Relaxed);
        });
        sum.into_inner()
    }

    #[test]
    fn pool_runs_every_chunk_once() {
        assert_eq!(sum_of_squares(0), 0);
        assert_eq!(sum_of_squares(1), 0);
        assert_eq!(sum_of_squares(1000), 332_833_500);
        assert_eq!((split(10, 0), split(0, 5), split(100, 10), split(1 << 20, 1)), (10, 1, 10, 64));
        assert_eq!(
            range(10, 3, 0).chain(range(10, 3, 1)).chain(range(10, 3, 2)).collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
    }

    #[test]
    fn pool_serves_nested_and_concurrent_calls() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let sum = AtomicUsize::new(0);
                        for_each_chunk(4, |_| {
                            sum.fetch_add(sum_of_squares(10), Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 4 * 285);
                    }
                });
            }
        });
        // From a worker of another rayon pool too.
        rayon::join(|| assert_eq!(sum_of_squares(10), 285), || assert_eq!(sum_of_squares(10), 285));
    }

    #[test]
    fn pool_hands_a_panic_to_the_caller_and_goes_on() {
        for failing in 0..8 {
            assert!(catch_unwind(|| for_each_chunk(8, |i| assert!(i != failing, "a chunk fails"))).is_err());
            assert_eq!(sum_of_squares(100), 328_350);
        }
    }

    #[cfg(unix)]
    #[test]
    fn pool_works_in_a_forked_child() {
        assert_eq!(sum_of_squares(100), 328_350);
        // SAFETY: the child only computes and leaves without running destructors; the parent waits for it.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(20); // a hang ends the child by a signal
                let ok = (0..20).all(|_| sum_of_squares(100) == 328_350);
                libc::_exit(if ok { 7 } else { 8 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "status {status}");
        }
    }
}
