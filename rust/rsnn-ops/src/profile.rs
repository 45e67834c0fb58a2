//! Times of the ops that ran on this thread while profiling was on.
use crate::autograd;
use std::cell::RefCell;
use std::time::Instant;

/// One op or one range: begin and end in nanoseconds since profiling began.
#[derive(Clone)]
pub struct Event {
    pub name: String,
    pub begin: u64,
    pub end: u64,
}

struct Log {
    start: Instant,
    events: Vec<Event>,
}

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Begins a new log on this thread.
pub fn start() {
    LOG.with(|l| *l.borrow_mut() = Some(Log { start: Instant::now(), events: vec![] }));
    autograd::set_profiled(true);
}

/// Ends the log and returns what it holds, in the order in which the events ended.
pub fn stop() -> Vec<Event> {
    autograd::set_profiled(false);
    LOG.with(|l| l.borrow_mut().take()).map_or(vec![], |l| l.events)
}

/// Nanoseconds since profiling began; `None` when it is off.
pub fn now() -> Option<u64> {
    if !autograd::is_profiled() {
        return None;
    }
    LOG.with(|l| l.borrow().as_ref().map(|l| l.start.elapsed().as_nanos() as u64))
}

/// Notes that `name` ran from `begin` until now.
pub fn note(name: &str, begin: Option<u64>) {
    let (Some(begin), Some(end)) = (begin, now()) else { return };
    LOG.with(|l| {
        if let Some(log) = l.borrow_mut().as_mut() {
            log.events.push(Event { name: name.to_string(), begin, end });
        }
    });
}
