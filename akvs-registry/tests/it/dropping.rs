//! Dropping a namespace: it is empty at once, its name can be used again, and a race with writers loses no write that
//! was acknowledged after the drop.

use crate::common::set;
use akvs_core::Revision;

#[tokio::test]
async fn a_dropped_namespace_is_empty_when_it_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let registry = crate::common::disk(folder.path());
    let before = set(&registry, "ns", "old", "v").await.unwrap().revision;
    set(&registry, "other", "key", "v").await.unwrap();

    assert!(registry.drop_namespace("ns").await.unwrap());
    assert!(registry.find("ns", b"old").await.unwrap().is_none());
    assert!(!registry.drop_namespace("ns").await.unwrap());
    let names: Vec<_> = registry
        .list(None, 10)
        .unwrap()
        .into_iter()
        .map(|info| info.name)
        .collect();
    assert_eq!(names, [crate::common::name("other")]);

    let outcome = set(&registry, "ns", "new", "v").await.unwrap();
    assert!(outcome.revision > before);
    assert!(registry.find("ns", b"old").await.unwrap().is_none());
    assert_eq!(registry.list(None, 10).unwrap()[0].counts.keys, 1);
    drop(registry);

    let registry = crate::common::disk(folder.path());
    assert!(registry.find("ns", b"old").await.unwrap().is_none());
    assert!(registry.find("ns", b"new").await.unwrap().is_some());
    assert!(registry.find("other", b"key").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_with_drops_lose_no_later_write() {
    let registry = crate::common::memory();
    let (done, mut newest) = (
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
        Revision::ZERO,
    );
    let dropper = tokio::spawn({
        let (registry, done) = (registry.clone(), done.clone());
        async move {
            let mut drops = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                drops += usize::from(registry.drop_namespace("ns").await.expect("a drop"));
                tokio::task::yield_now().await;
            }
            drops
        }
    });
    for round in 0..500 {
        let writes = (0..8).map(|writer| {
            let registry = registry.clone();
            tokio::spawn(async move {
                set(&registry, "ns", format!("key{writer}"), round.to_string()).await
            })
        });
        for write in writes.collect::<Vec<_>>() {
            let revision = write
                .await
                .expect("a task")
                .expect("a write")
                .revision
                .expect("a revision");
            newest = newest.max(revision);
        }
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(
        dropper.await.expect("the dropper") > 10,
        "hardly any drop raced"
    );

    let outcome = set(&registry, "ns", "last", "v").await.unwrap();
    assert!(
        outcome.revision > Some(newest),
        "revisions are never used again"
    );
    assert!(registry.find("ns", b"last").await.unwrap().is_some());
    assert_eq!(registry.list(None, 10).unwrap().len(), 1);
}
