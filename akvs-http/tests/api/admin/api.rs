//! An operator that notes what it is asked for, and the long answers that it gives in parts.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use akvs_core::Result;
use akvs_http::{AdminApi, ByteChunks, Options};
use bytes::Bytes;

use akvs_testing::server::{Sockets, TestServer};

/// What a long answer is to be made of.
pub(super) type Made = Result<Vec<Result<Bytes>>>;

/// Notes what it is asked for.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    asked: Mutex<Vec<String>>,
    made: Mutex<Option<Made>>,
    /// Told when the parts of an answer are let go of.
    let_go: Mutex<Option<Sender<()>>>,
}

impl Recorder {
    pub(super) fn new() -> Arc<Recorder> {
        Arc::default()
    }

    /// One whose next long answer is this, and when that is let go of.
    pub(super) fn making(made: Made) -> (Arc<Recorder>, Receiver<()>) {
        let (tell, let_go) = channel();
        let recorder = Recorder {
            made: Mutex::new(Some(made)),
            let_go: Mutex::new(Some(tell)),
            ..Recorder::default()
        };
        (Arc::new(recorder), let_go)
    }

    /// What it was asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }

    fn note(&self, what: impl Into<String>) {
        self.asked.lock().expect("a lock").push(what.into());
    }

    fn parts(&self, what: &str) -> Result<ByteChunks> {
        self.note(what);
        let made = self.made.lock().expect("a lock").take();
        let parts = made.unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(Box::new(Noted {
            parts: parts.into_iter(),
            let_go: self.let_go.lock().expect("a lock").take(),
        }))
    }
}

impl AdminApi for Recorder {
    fn stop(&self) {
        self.note("stop");
    }

    fn log(&self) -> String {
        let asked = self.asked();
        let good = asked.iter().rev().find(|asked| !asked.ends_with("bad"));
        let filter = good.and_then(|good| good.strip_prefix("log "));
        filter.unwrap_or("info").to_owned()
    }

    fn set_log(&self, filter: &str) -> std::result::Result<(), String> {
        self.note(format!("log {filter}"));
        match filter {
            "bad" => Err("bad is no filter".into()),
            _ => Ok(()),
        }
    }

    fn backup(&self) -> Result<ByteChunks> {
        self.parts("backup")
    }

    fn verify(&self) -> Result<ByteChunks> {
        self.parts("verify")
    }
}

/// Parts that tell when they are let go of.
struct Noted {
    parts: std::vec::IntoIter<Result<Bytes>>,
    let_go: Option<Sender<()>>,
}

impl Iterator for Noted {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        self.parts.next()
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(let_go) = &self.let_go {
            // Not every test listens.
            let _ = let_go.send(());
        }
    }
}

/// A server with this operator.
pub(super) fn with(recorder: Arc<Recorder>) -> (TestServer, Sockets, Arc<Recorder>) {
    let (app, sockets) = TestServer::with_sockets(Options {
        admin: Some(recorder.clone()),
        ..Options::default()
    });
    (app, sockets, recorder)
}
