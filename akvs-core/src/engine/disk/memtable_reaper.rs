//! The release of memtables that the engine has written to files.
//!
//! The engine drops a memtable while it holds the lock that every commit and every read of the table needs, and freeing
//! its hundreds of thousands of small allocations takes 50 to 200 ms. So a second reference to each is kept here, and
//! dropped by another thread once the engine has none. The memory is freed at most [`PAUSE`] later. The thread ends,
//! and drops the last references, when this is dropped.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::Table;

const PAUSE: Duration = Duration::from_millis(100);

/// A reference to a memtable.
pub(super) type Memtable = Arc<dyn Any + Send + Sync>;

/// The newest memtable of each table, and those before it that the engine still uses.
pub(super) struct MemtableReaper {
    newest: [Option<Memtable>; Table::ALL.len()],
    /// None at the end, and where the system refused a thread: then the engine frees them itself.
    sender: Option<Sender<Memtable>>,
    thread: Option<JoinHandle<()>>,
}

impl MemtableReaper {
    pub(super) fn new() -> MemtableReaper {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("akvs-memtables".into());
        let thread = thread.spawn(move || release(&receiver)).ok();
        MemtableReaper {
            newest: Default::default(),
            sender: thread.as_ref().map(|_| sender),
            thread,
        }
    }

    /// Records the current memtable of a table.
    pub(super) fn note(&mut self, table: Table, memtable: Memtable) {
        let Some(sender) = &self.sender else { return };
        let newest = &mut self.newest[table as usize];
        if newest
            .as_ref()
            .is_some_and(|newest| Arc::ptr_eq(newest, &memtable))
        {
            return;
        }
        if let Some(before) = newest.replace(memtable) {
            // Without the thread it is freed here.
            let _ = sender.send(before);
        }
    }
}

fn release(receiver: &Receiver<Memtable>) {
    let mut waiting: Vec<Memtable> = Vec::new();
    loop {
        let next = if waiting.is_empty() {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(PAUSE)
        };
        match next {
            Ok(memtable) => waiting.push(memtable),
            Err(RecvTimeoutError::Timeout) => {
                waiting.retain(|memtable| Arc::strong_count(memtable) > 1);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Drop for MemtableReaper {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // The thread does not panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports on which thread it was dropped.
    struct Witness(Sender<std::thread::ThreadId>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::current().id());
        }
    }

    #[test]
    fn a_memtable_is_freed_on_another_thread() {
        let (sender, dropped) = channel();
        let mut reaper = MemtableReaper::new();
        let engines: Memtable = Arc::new(Witness(sender.clone()));
        reaper.note(Table::Data, Arc::clone(&engines));
        reaper.note(Table::Data, Arc::new(Witness(sender)));
        assert!(
            dropped.recv_timeout(3 * PAUSE).is_err(),
            "the engine still uses it"
        );
        drop(engines);
        assert_ne!(dropped.recv().unwrap(), std::thread::current().id());
    }
}
