//! Per-thread packing buffers that live from call to call: fresh pages cost more than the packing itself.
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;

const ALIGN: usize = 4096;
/// Larger buffers go back to the system after use.
const KEEP: usize = 32 << 20;

struct Buf {
    ptr: *mut u8,
    layout: Layout,
}

impl Buf {
    fn new(bytes: usize) -> Self {
        // A size this large cannot come from operands that exist in memory; fall to the allocator's own refusal.
        let layout = Layout::from_size_align(bytes.next_multiple_of(ALIGN), ALIGN).unwrap_or(Layout::new::<u8>());
        if layout.size() < bytes {
            handle_alloc_error(layout);
        }
        // SAFETY: the size is not zero.
        let ptr = unsafe { alloc(layout) };
        if ptr.is_null() {
            handle_alloc_error(layout);
        }
        Self { ptr, layout }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.ptr, self.layout) };
    }
}

/// Which of a thread's buffers; one thread may hold all at once.
#[derive(Clone, Copy)]
pub enum Slot {
    A,
    B,
    HalfA,
    HalfB,
    HalfC,
    Weight,
    Image,
    Tile,
}

thread_local! {
    static BUFS: [Cell<Option<Buf>>; 8] = const { [const { Cell::new(None) }; 8] };
}

/// Runs `f` with a page-aligned uninitialised buffer of `len` elements; nested use of a slot gets a fresh buffer.
pub fn with<T: Copy, R>(slot: Slot, len: usize, f: impl FnOnce(*mut T) -> R) -> R {
    let bytes = (len * size_of::<T>()).max(1);
    let old = BUFS.try_with(|b| b[slot as usize].take()).ok().flatten();
    let buf = match old {
        Some(buf) if buf.layout.size() >= bytes => buf,
        other => {
            drop(other);
            Buf::new(bytes)
        }
    };
    let r = f(buf.ptr.cast());
    if buf.layout.size() <= KEEP {
        // During thread exit the slot is gone and the buffer is freed here.
        let _ = BUFS.try_with(|b| b[slot as usize].set(Some(buf)));
    }
    r
}
