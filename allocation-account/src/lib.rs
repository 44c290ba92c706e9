//! A global allocator that counts, per thread, the bytes allocated and not freed.
//!
//! The sandbox asks [`thread_bytes`] while a script runs, and ends the script when it holds too much. This crate is the only
//! one of the workspace with `unsafe` code: it passes every request on to mimalloc unchanged and adds numbers. mimalloc, because
//! sessions allocate on one thread and free on another, which the system's allocator answers with a lock.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use mimalloc::MiMalloc;

thread_local! {
    // No destructor and no lazy initialisation: safe to touch at any time of a thread's life, and allocates nothing.
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// mimalloc with a count per thread. A binary declares it with `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// Bytes that the current thread has allocated minus those that it has freed. Negative when it frees what others allocated;
/// 0 always when [`CountingAllocator`] is not the global allocator.
pub fn thread_bytes() -> i64 {
    BYTES.try_with(Cell::get).unwrap_or(0)
}

fn count(bytes: i64) {
    let _ = BYTES.try_with(|total| total.set(total.get().wrapping_add(bytes)));
}

// Layouts are at most isize::MAX bytes.
fn size(bytes: usize) -> i64 {
    bytes as i64
}

// SAFETY: every method passes its arguments unchanged to mimalloc, whose contract is the same, and returns its
// result unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        if !pointer.is_null() {
            count(size(layout.size()));
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        let pointer = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !pointer.is_null() {
            count(size(layout.size()));
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { MiMalloc.dealloc(pointer, layout) };
        count(-size(layout.size()));
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        let moved = unsafe { MiMalloc.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            count(size(new_size) - size(layout.size()));
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    #[test]
    fn what_is_held_is_counted() {
        let before = thread_bytes();
        let mut held = vec![0u8; 10_000];
        assert_eq!(thread_bytes() - before, 10_000);
        held.reserve_exact(20_000);
        assert_eq!(thread_bytes() - before, 30_000);
        held.truncate(5);
        held.shrink_to_fit();
        assert_eq!(thread_bytes() - before, 5);
        drop(held);
        assert_eq!(thread_bytes(), before);
    }

    #[test]
    fn threads_are_counted_apart() {
        let before = thread_bytes();
        let thread = std::thread::spawn(|| {
            let start = thread_bytes();
            let held = vec![1u8; 50_000];
            (thread_bytes() - start, held)
        });
        let counted = thread.join();
        assert!(matches!(counted, Ok((50_000, _))));
        assert!(thread_bytes() - before < 50_000, "what another thread allocated is not this one's");
        drop(counted);
        assert!(thread_bytes() < before, "but freeing it here is");
    }
}
