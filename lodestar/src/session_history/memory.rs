//! Sessions in memory: the newest, as many as fit.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use cwmp::SessionTrace;
use cwmp::trace::{Step, StepKind, TracedMessage};
use parking_lot::Mutex;

/// Splits the lock's contention.
const SHARDS: usize = 16;

/// The newest sessions.
pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    /// Bytes of each shard.
    limit: usize,
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    /// Oldest first, with the hash of their devices, so that looking for one costs little.
    sessions: VecDeque<(u64, Arc<SessionTrace>)>,
    bytes: usize,
}

impl Memory {
    /// A memory of so many bytes.
    pub fn new(bytes: usize) -> Memory {
        let shards = std::array::from_fn(|_| Mutex::default());
        Memory { shards, limit: bytes / SHARDS, hasher: RandomState::new() }
    }

    fn shard(&self, device: &str) -> (u64, &Mutex<Shard>) {
        let hash = self.hasher.hash_one(device);
        (hash, &self.shards[hash as usize % SHARDS])
    }

    /// Adds a session. The oldest go, so that there is room; one that is larger than the memory is not kept.
    pub fn add(&self, trace: Arc<SessionTrace>) {
        let bytes = footprint(&trace);
        if bytes > self.limit {
            return;
        }
        let (hash, shard) = self.shard(&trace.device);
        let mut shard = shard.lock();
        shard.bytes += bytes;
        shard.sessions.push_back((hash, trace));
        while shard.bytes > self.limit {
            let Some((_, oldest)) = shard.sessions.pop_front() else { break };
            shard.bytes = shard.bytes.saturating_sub(footprint(&oldest));
        }
    }

    /// A device's sessions, the newest first.
    pub fn of_device(&self, device: &str) -> Vec<Arc<SessionTrace>> {
        let (wanted, shard) = self.shard(device);
        let shard = shard.lock();
        let of_device = |(hash, trace): &&(u64, Arc<SessionTrace>)| *hash == wanted && *trace.device == *device;
        shard.sessions.iter().rev().filter(of_device).map(|(_, trace)| trace.clone()).collect()
    }

    /// Takes a session out.
    pub fn remove(&self, trace: &Arc<SessionTrace>) {
        self.retain(&trace.device, |kept| !Arc::ptr_eq(kept, trace));
    }

    /// Takes a device's sessions out.
    pub fn forget(&self, device: &str) {
        self.retain(device, |kept| *kept.device != *device);
    }

    fn retain(&self, device: &str, stays: impl Fn(&Arc<SessionTrace>) -> bool) {
        let (wanted, shard) = self.shard(device);
        let mut shard = shard.lock();
        let mut freed = 0;
        shard.sessions.retain(|(hash, trace)| {
            let stays = *hash != wanted || stays(trace);
            freed += if stays { 0 } else { footprint(trace) };
            stays
        });
        shard.bytes = shard.bytes.saturating_sub(freed);
    }
}

/// About the bytes that a session takes.
fn footprint(trace: &SessionTrace) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
    let message = |message: &TracedMessage| {
        let detail = message.detail.as_ref().map_or(0, |detail| {
            size_of_val(&**detail)
                + detail.summary.len()
                + texts(&detail.causes)
                + detail.content.as_ref().map_or(0, String::len)
        });
        message.method.len() + detail
    };
    let step = |step: &Step| match &step.kind {
        StepKind::Received(received) => message(received),
        StepKind::Sent(sent) => message(sent),
        StepKind::Log { message, provision, .. } => message.len() + provision.as_ref().map_or(0, String::len),
        StepKind::Extensions { names } => texts(names),
    };
    let faults = trace.faults.iter().map(|(channel, fault)| {
        size_of_val(fault) + channel.len() + fault.as_ref().map_or(0, |fault| fault.code.len() + fault.message.len())
    });
    // The device's ID and address are shared with nobody who lives as long.
    let names = trace.device.len() + trace.remote.len() + trace.failure.as_ref().map_or(0, String::len);
    size_of::<SessionTrace>()
        + size_of::<(u64, usize)>()
        + names
        + texts(&trace.events)
        + faults.sum::<usize>()
        + trace.tasks.iter().map(|task| size_of_val(task) + task.0.len()).sum::<usize>()
        + trace.steps.capacity() * size_of::<Step>()
        + trace.steps.iter().map(step).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_history::document::tests::trace;

    fn ids(memory: &Memory, device: &str) -> Vec<u128> {
        memory.of_device(device).iter().map(|trace| trace.id).collect()
    }

    #[test]
    fn the_newest_are_kept_and_found_by_device() {
        let one = footprint(&trace("a", 0));
        let memory = Memory::new(one * 3 * SHARDS + SHARDS);
        (1..=5).for_each(|id| memory.add(Arc::new(trace("a", id))));
        memory.add(Arc::new(trace("b", 9)));
        assert_eq!(ids(&memory, "b"), [9]);
        assert!(ids(&memory, "a").starts_with(&[5, 4]));
        assert!(!ids(&memory, "a").contains(&2));
        let newest = memory.of_device("a").remove(0);
        memory.remove(&newest);
        assert_eq!(ids(&memory, "a")[0], 4);
        memory.forget("a");
        assert!(ids(&memory, "a").is_empty());
        assert_eq!(ids(&memory, "b"), [9]);
    }

    #[test]
    fn no_memory_keeps_nothing() {
        let memory = Memory::new(0);
        memory.add(Arc::new(trace("a", 1)));
        assert!(memory.of_device("a").is_empty());
    }
}
