//! Hands the loop of one thread to helpers that still wait awake: joining it takes a tenth of a microsecond, waking a
//! sleeping thread or yielding to the scheduler takes several, or a time slice where other programs are busy.
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
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
/// How long it then sleeps before it leaves: idle workers of rayon's yield instead, and each yield to a busy program costs a time slice.
const ASLEEP: Duration = Duration::from_millis(10);
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
    /// Helpers that wait awake or work, or were called.
    awake: AtomicUsize,
    asleep: Mutex<Vec<Thread>>,
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
            match self.asleep().pop() {
                Some(helper) => helper.unpark(),
                None => call(),
            }
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
        loop {
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
            let this = std::thread::current();
            self.asleep().push(this.clone());
            std::thread::park_timeout(ASLEEP);
            let mut asleep = self.asleep();
            let before = asleep.len();
            asleep.retain(|helper| helper.id() != this.id());
            if asleep.len() < before {
                return; // nobody called
            }
        }
    }

    fn asleep(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn helpers_take_part_sleep_and_come_again() {
        static POST: std::sync::LazyLock<Post> = std::sync::LazyLock::new(Post::default);
        // The first rounds follow each other, the later ones find the helper asleep or gone.
        for round in 0..30 {
            let (next, done, helped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |me: usize| {
                while next.fetch_add(1, Ordering::Relaxed) < 40 {
                    std::thread::sleep(Duration::from_micros(500));
                    helped.fetch_add(me, Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            };
            let outer = |me: usize| {
                assert!(!POST.run(&work, 1, || ()), "a loop is posted already");
                work(me);
            };
            let call = || drop(std::thread::spawn(|| POST.serve(1)));
            assert!(POST.run(&outer, 1, call));
            assert_eq!(done.into_inner(), 40);
            assert!(helped.into_inner() > 0, "round {round}");
            std::thread::sleep(Duration::from_micros(700) * (round / 10));
        }
        while POST.awake.load(Ordering::SeqCst) > 0 || !POST.asleep().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(POST.state.load(Ordering::SeqCst), 0);
    }
}
