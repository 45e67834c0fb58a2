//! Caching allocator: 64-byte aligned blocks in size classes, kept for reuse up to a byte cap.
//! Fresh pages cost more than most ops, so a training step should allocate nothing new after the first.
use crate::{Error, Result};
use std::alloc::Layout as Block;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const ALIGN: usize = 64;
const SMALL: usize = 1024;
const LOCAL_BLOCKS: usize = 64;
const CLASSES: usize = 64 * 4;

/// Counters of `rsnn.memory.stats()`, in bytes and calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStats {
    pub live: usize,
    pub peak: usize,
    pub cached: usize,
    pub hits: usize,
    pub misses: usize,
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CACHED: AtomicUsize = AtomicUsize::new(0);
static HITS: AtomicUsize = AtomicUsize::new(0);
static MISSES: AtomicUsize = AtomicUsize::new(0);
// std's lock, not parking_lot's: the threads waiting for that one stand in a table, which a forked child inherits without the threads.
static BINS: [Mutex<Vec<usize>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

thread_local! {
    // Small blocks (scalars, biases) never take a lock. There are few, and the bytes cached do not count them.
    static LOCAL: std::cell::RefCell<[Vec<usize>; 5]> = const { std::cell::RefCell::new([const { Vec::new() }; 5]) };
}

fn locked(bin: &Mutex<Vec<usize>>) -> MutexGuard<'_, Vec<usize>> {
    bin.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes kept for reuse at most: `RSNN_CACHE_BYTES`, else a quarter of the machine's memory.
fn cap() -> usize {
    static CAP: OnceLock<usize> = OnceLock::new();
    *CAP.get_or_init(|| {
        if let Some(n) = std::env::var("RSNN_CACHE_BYTES").ok().and_then(|s| s.parse().ok()) {
            return n;
        }
        #[cfg(unix)]
        // SAFETY: sysconf only reads system constants.
        let total = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) * libc::sysconf(libc::_SC_PAGESIZE) };
        #[cfg(not(unix))]
        let total: i64 = 8 << 30;
        total.max(1 << 30) as usize / 4
    })
}

/// (class, bytes): four classes per power of two, so at most a quarter of a block is unused.
fn class(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(ALIGN);
    let log = bytes.ilog2() as usize;
    let step = ((1usize << log) / 4).max(ALIGN);
    let rounded = bytes.div_ceil(step) * step;
    let log = rounded.ilog2() as usize;
    let quarter = (rounded - (1 << log)) * 4 / (1 << log);
    (log * 4 + quarter, rounded)
}

fn small_bin(rounded: usize) -> Option<usize> {
    (rounded <= SMALL && rounded.is_power_of_two()).then(|| rounded.ilog2() as usize - 6)
}

/// Rounds small requests to powers of two, which the thread-local bins hold.
fn plan(bytes: usize) -> (usize, usize) {
    class(if bytes <= SMALL { bytes.max(ALIGN).next_power_of_two() } else { bytes })
}

pub(crate) fn allocate(bytes: usize) -> Result<*mut u8> {
    let (class, rounded) = plan(bytes);
    let live = LIVE.fetch_add(rounded, Relaxed) + rounded;
    // Reading is cheap, and the peak seldom moves.
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
    if let Some(bin) = small_bin(rounded)
        && let Some(p) = LOCAL.try_with(|l| l.borrow_mut()[bin].pop()).ok().flatten()
    {
        HITS.fetch_add(1, Relaxed);
        return Ok(p as *mut u8);
    }
    if let Some(p) = locked(&BINS[class]).pop() {
        HITS.fetch_add(1, Relaxed);
        CACHED.fetch_sub(rounded, Relaxed);
        return Ok(p as *mut u8);
    }
    MISSES.fetch_add(1, Relaxed);
    #[cfg(unix)]
    watch_fork();
    let p = fresh(rounded);
    if !p.is_null() {
        return Ok(p);
    }
    empty_cache();
    let p = fresh(rounded);
    if p.is_null() {
        LIVE.fetch_sub(rounded, Relaxed);
        return Err(Error::OutOfMemory(format!(
            "rsnn: can't allocate {bytes} bytes on cpu ({} bytes live)",
            LIVE.load(Relaxed)
        )));
    }
    Ok(p)
}

/// Keeps `fork` out while another thread holds a bin: in the child nobody would ever release it.
#[cfg(unix)]
fn watch_fork() {
    thread_local! {
        static HELD: std::cell::RefCell<Vec<MutexGuard<'static, Vec<usize>>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    extern "C" fn hold() {
        let _ = HELD.try_with(|held| held.borrow_mut().extend(BINS.iter().map(locked)));
    }
    /// Runs in the thread that `hold` ran in, in the parent and in the child.
    extern "C" fn release() {
        let _ = HELD.try_with(|held| held.borrow_mut().clear());
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers only take and leave locks.
        unsafe { libc::pthread_atfork(Some(hold), Some(release), Some(release)) };
    });
}

fn fresh(rounded: usize) -> *mut u8 {
    let align = if rounded >= 4 << 20 { 2 << 20 } else { ALIGN };
    let Ok(block) = Block::from_size_align(rounded, align) else { return std::ptr::null_mut() };
    // SAFETY: the layout has a non-zero size.
    let p = unsafe { std::alloc::alloc(block) };
    #[cfg(target_os = "linux")]
    if align > ALIGN && !p.is_null() {
        // SAFETY: the range was just allocated; the advice changes no content.
        unsafe { libc::madvise(p.cast(), rounded, libc::MADV_HUGEPAGE) };
    }
    p
}

fn give_back(p: *mut u8, rounded: usize) {
    let align = if rounded >= 4 << 20 { 2 << 20 } else { ALIGN };
    // SAFETY: `fresh` allocated this block with the same size and alignment.
    unsafe { std::alloc::dealloc(p, Block::from_size_align_unchecked(rounded, align)) }
}

pub(crate) fn free(p: *mut u8, bytes: usize) {
    let (class, rounded) = plan(bytes);
    LIVE.fetch_sub(rounded, Relaxed);
    if let Some(bin) = small_bin(rounded) {
        let kept = LOCAL.try_with(|l| {
            let bin = &mut l.borrow_mut()[bin];
            let room = bin.len() < LOCAL_BLOCKS;
            if room {
                bin.push(p as usize);
            }
            room
        });
        if kept.unwrap_or(false) {
            return;
        }
    }
    if CACHED.fetch_add(rounded, Relaxed) + rounded > cap() {
        CACHED.fetch_sub(rounded, Relaxed);
        return give_back(p, rounded);
    }
    locked(&BINS[class]).push(p as usize);
}

/// Returns every cached block to the system (thread-local scalars excepted).
pub fn empty_cache() {
    for bin in &BINS {
        let blocks = std::mem::take(&mut *locked(bin));
        let class = BINS.iter().position(|b| std::ptr::eq(b, bin)).unwrap_or(0);
        let (log, quarter) = (class / 4, class % 4);
        let rounded = (1usize << log) + quarter * ((1usize << log) / 4);
        for p in blocks {
            CACHED.fetch_sub(rounded, Relaxed);
            give_back(p as *mut u8, rounded);
        }
    }
}

/// Counters since the process began.
pub fn memory_stats() -> MemoryStats {
    MemoryStats {
        live: LIVE.load(Relaxed),
        peak: PEAK.load(Relaxed),
        cached: CACHED.load(Relaxed),
        hits: HITS.load(Relaxed),
        misses: MISSES.load(Relaxed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_round_up_by_at_most_a_quarter_and_invert() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, 3 << 20, (1 << 30) - 7]) {
            let (c, rounded) = plan(bytes);
            assert!(rounded >= bytes && (bytes <= SMALL || rounded <= bytes + bytes / 4 + ALIGN), "{bytes} {rounded}");
            let (log, quarter) = (c / 4, c % 4);
            assert_eq!(rounded, (1usize << log) + quarter * ((1usize << log) / 4));
            assert_eq!(plan(rounded), (c, rounded));
        }
    }

    #[test]
    fn a_freed_block_is_reused() {
        let p = allocate(100_000).unwrap_or(std::ptr::null_mut());
        free(p, 100_000);
        let q = allocate(99_999).unwrap_or(std::ptr::null_mut());
        assert_eq!(p, q);
        free(q, 99_999);
    }
}
