//! The end: queued writes are committed and synced, later writes are rejected, and the data directory is free again.

use crate::common::{key, server};
use akvs_core::{Code, Op};
use futures_util::future::join_all;

#[test]
fn queued_writes_are_committed_and_later_ones_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let committer = crate::common::disk(folder.path());
    let server_1 = server(&committer, "ns");
    let writes: Vec<_> = (0..1_000)
        .map(|number| server_1.submit(key(format!("key{number}")), Op::set("v")))
        .collect();
    committer.stop().expect("a clean end");
    pollster::block_on(async {
        for result in join_all(writes).await {
            result.unwrap();
        }
        assert_eq!(
            server_1.set(key("late"), "v").await.unwrap_err().code(),
            Code::Closing
        );
        assert_eq!(server_1.get(b"key7").await.unwrap().value, "v");
    });
    drop((server_1, committer));

    let committer = crate::common::disk(folder.path());
    assert_eq!(
        server(&committer, "ns")
            .store()
            .expect("a store")
            .counts()
            .keys,
        1_000
    );
}

#[test]
fn the_last_handle_ends_the_committer() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        // Rejected if the previous committer still had the data directory.
        let committer = crate::common::disk(folder.path());
        let server = server(&committer, "ns");
        drop(committer);
        let outcome = pollster::block_on(server.set(key("key"), "v")).unwrap();
        assert_eq!(outcome.existed, round > 0);
    }
}

#[test]
fn a_stop_keeps_writes_that_wait_for_an_interval_sync() {
    let folder = tempfile::tempdir().unwrap();
    let interval = akvs_server::CommitDurability::Interval(std::time::Duration::from_secs(3_600));
    {
        let engine =
            akvs_core::DiskEngine::open(&akvs_core::DiskOptions::new(folder.path())).unwrap();
        let options = akvs_server::CommitterOptions {
            durability: interval,
            ..Default::default()
        };
        let committer = crate::common::committer(std::sync::Arc::new(engine), options);
        let server = server(&committer, "ns");
        pollster::block_on(async {
            for value in ["1", "2", "3"] {
                server.set(key("key"), value).await.unwrap();
            }
        });
        committer.stop().expect("a clean end");
    }
    let committer = crate::common::disk(folder.path());
    assert_eq!(
        pollster::block_on(server(&committer, "ns").get(b"key"))
            .unwrap()
            .value,
        "3"
    );
}
