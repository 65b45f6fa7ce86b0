//! A large value is read only once memory is reserved for it, and not at all where the answer does not contain it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use akvs_core::engine::{
    Batch, Capabilities, Durability, Engine, KeyRange, PageLimit, Snapshot, Table,
};
use akvs_core::{MemoryEngine, Result, Revision};
use akvs_http::Options;
use bytes::Bytes;

use super::{LARGE, begin, is_refused};
use akvs_testing::server::TestServer;

/// An engine that copies each row that is read, as from a disk, and counts the bytes.
#[derive(Clone)]
struct CountingEngine {
    inner: Arc<MemoryEngine>,
    read_bytes: Arc<AtomicUsize>,
}

/// A snapshot of it.
struct CountingSnapshot {
    inner: Box<dyn Snapshot>,
    read_bytes: Arc<AtomicUsize>,
}

fn count(read_bytes: &AtomicUsize, table: Table, bytes: usize) {
    if table == Table::Data {
        read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

type Rows = Vec<(Bytes, Bytes)>;

fn bytes_of(rows: &Rows) -> usize {
    rows.iter().map(|(_, row)| row.len()).sum()
}

impl Engine for CountingEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let row = self.inner.get(table, key)?;
        count(&self.read_bytes, table, row.as_ref().map_or(0, Bytes::len));
        Ok(row)
    }

    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit) -> Result<Rows> {
        let rows = self.inner.page(table, range, limit)?;
        count(&self.read_bytes, table, bytes_of(&rows));
        Ok(rows)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(CountingSnapshot {
            inner: self.inner.snapshot()?,
            read_bytes: Arc::clone(&self.read_bytes),
        }))
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.inner.commit(batch, durability)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn watermark(&self) -> Result<Revision> {
        self.inner.watermark()
    }

    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        self.inner.raise_watermark(revision)
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.inner.stored_bytes()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }
}

impl Snapshot for CountingSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let row = self.inner.get(table, key)?;
        count(&self.read_bytes, table, row.as_ref().map_or(0, Bytes::len));
        Ok(row)
    }

    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit) -> Result<Rows> {
        let rows = self.inner.page(table, range, limit)?;
        count(&self.read_bytes, table, bytes_of(&rows));
        Ok(rows)
    }

    fn page_back(&self, table: Table, range: &KeyRange, limit: PageLimit) -> Result<Rows> {
        let rows = self.inner.page_back(table, range, limit)?;
        count(&self.read_bytes, table, bytes_of(&rows));
        Ok(rows)
    }
}

#[test]
fn a_value_is_read_only_after_memory_is_reserved_for_it() {
    let http = Options {
        max_response_memory_bytes: 40 << 20,
        ..Options::default()
    };
    for is_resident in [true, false] {
        let engine = CountingEngine {
            inner: Arc::new(MemoryEngine::new()),
            read_bytes: Arc::default(),
        };
        let app = TestServer::without_cache(Arc::new(engine.clone()), http.clone(), is_resident);
        for key in ["a", "b", "c"] {
            let written = app.post(&format!("/kv/ns/{key}"), vec![b'x'; LARGE]);
            assert_eq!(written.status, 201);
        }
        let revision = app.ask("HEAD", "/kv/ns/c").revision();
        let readers = ["/kv/ns/a", "/kv/ns/b"].map(|path| begin(&app, "GET", path, b""));
        assert!(readers.iter().all(|(_, head)| head.status == 200));
        engine.read_bytes.store(0, Ordering::Relaxed);
        is_refused(&app, "GET", "/kv/ns/c", b"");
        is_refused(&app, "POST", "/get/ns", br#"{"keys":["c"]}"#);
        let range = |range: &str| {
            let fields = format!("Range: bytes={range}\r\n");
            app.connect().ask("GET", "/kv/ns/c", &fields, b"").status
        };
        assert_eq!(range("0-9"), 503);
        // The answer does not contain the value.
        assert_eq!(range("999999999-"), 416);
        let head = app.ask("HEAD", "/kv/ns/c");
        assert_eq!((head.status, head.revision()), (200, revision));
        let length = LARGE.to_string();
        assert_eq!(head.header("Content-Length"), Some(&*length));
        let known = format!("If-None-Match: \"{revision}\"\r\n");
        let waits = format!("{known}Prefer: wait=0\r\n");
        for fields in [known, waits] {
            let unchanged = app.connect().ask("GET", "/kv/ns/c", &fields, b"");
            assert_eq!(unchanged.status, 304);
        }
        let read_bytes = engine.read_bytes.load(Ordering::Relaxed);
        assert!(read_bytes < LARGE, "{read_bytes}");
        drop(readers);
        // Once the server has noticed that.
        while range("0-9") != 206 {
            std::thread::yield_now();
        }
        for _ in 0..3 {
            // Each answer releases all of its memory.
            assert!(app.value("/kv/ns/c") == vec![b'x'; LARGE]);
        }
    }
}
