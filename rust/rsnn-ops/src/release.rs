//! Long kernels run without the interpreter's lock, so that other Python threads run beside them.
//! The binding installs the door; who is large enough to go through it is decided here.
use std::sync::OnceLock;

/// Runs the closure with the lock released where this thread holds it.
type Door = fn(&mut dyn FnMut());
static DOOR: OnceLock<Door> = OnceLock::new();

/// Elements read and written from which a kernel takes about 20 µs or more.
pub const LONG: usize = 1 << 15;

/// Installs the door; the first caller wins.
pub fn install(door: Door) {
    DOOR.get_or_init(|| door);
}

/// Runs `f`, which must touch no tensor that another thread may give other data meanwhile: private handles only.
pub fn unlocked<R>(f: impl FnOnce() -> R) -> Option<R> {
    let (mut f, mut result) = (Some(f), None);
    let mut go = || {
        if let Some(f) = f.take() {
            result = Some(f());
        }
    };
    match DOOR.get() {
        Some(door) => door(&mut go),
        None => go(),
    }
    result
}
