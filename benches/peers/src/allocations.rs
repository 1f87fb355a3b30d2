//! An allocator that counts, unless threads are compared: the counters would be what they fight over.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

/// The system's allocator, with two counters.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Runs `work` without counting what it allocates.
pub fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    STOPPED.store(true, Ordering::SeqCst);
    let result = work();
    STOPPED.store(false, Ordering::SeqCst);
    result
}

fn counted(allocations: u64, bytes: i64) {
    if !STOPPED.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        BYTES.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// How often memory was asked for so far.
pub fn count() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// How many bytes are in use, as they were asked for: without what the allocator rounds up.
pub fn live_bytes() -> i64 {
    BYTES.load(Ordering::Relaxed)
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

// Each method passes its arguments on to the system's allocator, as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted(1, signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted(1, signed(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        counted(1, signed(size) - signed(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        counted(0, -signed(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}
