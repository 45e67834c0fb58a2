//! Hands the loop of one thread to helpers that still wait awake: joining it takes a tenth of a microsecond, waking a
//! sleeping thread or yielding to the scheduler takes several, or a time slice where other programs are busy.
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A loop that helpers may join, each with its number.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// Somebody's loop is posted, or is about to be.
const TAKEN: usize = 1;
/// Helpers may join it.
const OPEN: usize = 2;
/// Added for each helper that works on it.
const JOINED: usize = 4;

/// How long a helper waits awake for the next loop: the time between the ops of a small model.
const AWAKE: Duration = Duration::from_micros(30);
/// Looks at the post between two looks at the clock.
const LOOKS: usize = 32;
/// Looks at a late helper before the caller lets other threads run.
const PATIENCE: usize = 2000;

#[repr(align(64))]
#[derive(Default)]
pub(crate) struct Post {
    state: AtomicUsize,
    /// Most helpers for the posted loop.
    most: AtomicUsize,
    /// Helpers inside `serve`, or called to it.
    awake: AtomicUsize,
    work: UnsafeCell<Option<Work<'static>>>,
}

// SAFETY: who takes the post writes `work` before opening it; helpers read it after joining and before leaving.
unsafe impl Sync for Post {}

impl Post {
    /// Runs `work(0)` here and in helpers, up to `most` of them; `call` is asked to bring one more into `serve`.
    /// Returns false, with nothing done, if another loop is posted. `work` must not panic.
    pub(crate) fn run(&self, work: Work<'_>, most: usize, call: impl Fn()) -> bool {
        if self.state.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: the post is ours, and no helper works here after the wait below, which nothing can skip.
        unsafe { *self.work.get() = Some(std::mem::transmute::<Work<'_>, Work<'static>>(work)) };
        self.most.store(most, Ordering::Relaxed);
        self.state.store(TAKEN | OPEN, Ordering::SeqCst);
        let awake = self.awake.load(Ordering::SeqCst);
        for _ in awake..most {
            self.awake.fetch_add(1, Ordering::Relaxed);
            call();
        }
        work(0);
        self.state.fetch_and(!OPEN, Ordering::Relaxed);
        let mut looks = 0;
        while self.state.load(Ordering::Acquire) != TAKEN {
            looks += 1;
            if looks < PATIENCE { spin_loop() } else { std::thread::yield_now() }
        }
        self.state.store(0, Ordering::Release);
        true
    }

    /// Helps with loop after loop as number `me`, until none came for a while.
    pub(crate) fn serve(&self, me: usize) {
        let mut since = Instant::now();
        while since.elapsed() < AWAKE {
            for _ in 0..LOOKS {
                if self.help(me) {
                    since = Instant::now();
                }
                spin_loop();
            }
        }
        self.awake.fetch_sub(1, Ordering::SeqCst);
        // Who opened the post just before that counted on this helper.
        self.help(me);
    }

    fn help(&self, me: usize) -> bool {
        let mut state = self.state.load(Ordering::SeqCst);
        loop {
            if state & OPEN == 0 || state / JOINED >= self.most.load(Ordering::Relaxed) {
                return false;
            }
            let joined = self.state.compare_exchange_weak(state, state + JOINED, Ordering::Acquire, Ordering::Relaxed);
            match joined {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        // SAFETY: joined while it was open, so the caller waits for this helper.
        if let Some(work) = unsafe { *self.work.get() } {
            work(me);
        }
        // Nothing is left to take, so nobody else need join.
        self.state.fetch_and(!OPEN, Ordering::Relaxed);
        self.state.fetch_sub(JOINED, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn helpers_take_part_and_leave() {
        static POST: std::sync::LazyLock<Post> = std::sync::LazyLock::new(Post::default);
        let (done, helped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let next = AtomicUsize::new(0);
        let work = |me: usize| {
            while next.fetch_add(1, Ordering::Relaxed) < 40 {
                std::thread::sleep(Duration::from_millis(1));
                helped.fetch_or(me == 3, Ordering::Relaxed);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let nested = |me: usize| {
            assert!(!POST.run(&work, 1, || ()), "a loop is posted already");
            work(me);
        };
        let call = || drop(std::thread::spawn(|| POST.serve(3)));
        assert!(POST.run(&nested, 1, call));
        assert_eq!((done.into_inner(), helped.into_inner()), (40, true));
        while POST.awake.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(POST.state.load(Ordering::SeqCst), 0);
    }
}
