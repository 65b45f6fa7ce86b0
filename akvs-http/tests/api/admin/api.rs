//! An [`AdminApi`] that records its calls, and answers with the chunks that a test chooses.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use akvs_core::Result;
use akvs_http::{AdminApi, ByteChunks, Options};
use bytes::Bytes;

use akvs_testing::server::{Sockets, TestServer};

/// The chunks of a long answer, or the error in place of it.
pub(super) type ChunksResult = Result<Vec<Result<Bytes>>>;

/// Records its calls.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    calls: Mutex<Vec<String>>,
    next_answer: Mutex<Option<ChunksResult>>,
    /// Notified when the chunks of an answer are dropped.
    dropped: Mutex<Option<Sender<()>>>,
}

impl Recorder {
    pub(super) fn new() -> Arc<Recorder> {
        Arc::default()
    }

    /// Creates a recorder whose next long answer is this, and a receiver that is notified when that is dropped.
    pub(super) fn with_answer(next_answer: ChunksResult) -> (Arc<Recorder>, Receiver<()>) {
        let (sender, dropped) = channel();
        let recorder = Recorder {
            next_answer: Mutex::new(Some(next_answer)),
            dropped: Mutex::new(Some(sender)),
            ..Recorder::default()
        };
        (Arc::new(recorder), dropped)
    }

    /// Returns the calls so far.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("a lock").clone()
    }

    fn note(&self, what: impl Into<String>) {
        self.calls.lock().expect("a lock").push(what.into());
    }

    fn chunks(&self, what: &str) -> Result<ByteChunks> {
        self.note(what);
        let next_answer = self.next_answer.lock().expect("a lock").take();
        let chunks = next_answer.unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Box::new(NotifyingChunks {
            chunks: chunks.into_iter(),
            dropped: self.dropped.lock().expect("a lock").take(),
        }))
    }
}

impl AdminApi for Recorder {
    fn stop(&self) {
        self.note("stop");
    }

    fn log(&self) -> String {
        let calls = self.calls();
        let good = calls.iter().rev().find(|call| !call.ends_with("bad"));
        let filter = good.and_then(|good| good.strip_prefix("log "));
        filter.unwrap_or("info").to_owned()
    }

    fn set_log(&self, filter: &str) -> std::result::Result<(), String> {
        self.note(format!("log {filter}"));
        match filter {
            "bad" => Err("unknown filter: bad".into()),
            _ => Ok(()),
        }
    }

    fn backup(&self) -> Result<ByteChunks> {
        self.chunks("backup")
    }

    fn verify(&self) -> Result<ByteChunks> {
        self.chunks("verify")
    }
}

/// Chunks that notify the test when they are dropped.
struct NotifyingChunks {
    chunks: std::vec::IntoIter<Result<Bytes>>,
    dropped: Option<Sender<()>>,
}

impl Iterator for NotifyingChunks {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        self.chunks.next()
    }
}

impl Drop for NotifyingChunks {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            // A test need not wait for it.
            let _ = dropped.send(());
        }
    }
}

/// Starts a server with this admin API.
pub(super) fn with(recorder: Arc<Recorder>) -> (TestServer, Sockets, Arc<Recorder>) {
    let (app, sockets) = TestServer::with_sockets(Options {
        admin: Some(recorder.clone()),
        ..Options::default()
    });
    (app, sockets, recorder)
}
