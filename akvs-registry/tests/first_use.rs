//! First uses of a namespace that race open it exactly once: no acknowledged write is lost. (The original could
//! start two servers for one namespace, and lost up to a third of the writes.)

mod common;

use akvs_registry::Registry;
use tokio::task::JoinSet;

const RACERS: usize = 200;

/// Writes `RACERS` keys at once, spread over `namespaces` that do not exist yet, and finds them all.
async fn race(registry: &Registry, round: usize, namespaces: usize) {
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (registry, barrier) = (registry.clone(), barrier.clone());
        racers.spawn(async move {
            let namespace = format!("r{round}n{}", racer % namespaces);
            barrier.wait().await;
            let outcome =
                common::set(&registry, &namespace, racer.to_string(), racer.to_string()).await;
            (namespace, racer, outcome.expect("a write"))
        });
    }
    for (namespace, racer, outcome) in racers.join_all().await {
        assert!(!outcome.existed);
        let found = registry.get(&namespace, racer.to_string().as_bytes()).await;
        assert_eq!(
            found.expect("an acknowledged write").value,
            racer.to_string()
        );
    }
    let listed = registry.list(None, usize::MAX).expect("a list");
    let of_round = listed
        .iter()
        .filter(|info| info.name.as_str().starts_with(&format!("r{round}n")));
    let keys: Vec<u64> = of_round.map(|info| info.counts.keys).collect();
    assert_eq!(
        (keys.len(), keys.iter().sum::<u64>()),
        (namespaces, RACERS as u64)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_one_namespace() {
    let registry = common::memory();
    for round in 0..100 {
        race(&registry, round, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_namespaces() {
    let registry = common::memory();
    for round in 0..50 {
        race(&registry, round, 40).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_disk_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        race(&common::disk(folder.path()), round, 7).await;
    }
    assert_eq!(
        common::disk(folder.path())
            .list(None, usize::MAX)
            .unwrap()
            .len(),
        70
    );
}

#[tokio::test]
async fn reading_opens_and_creates_nothing() {
    let registry = common::memory();
    for number in 0..1_000 {
        assert!(
            registry
                .find(&format!("ns{number}"), b"key")
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            !registry
                .drop_namespace(&format!("ns{number}"))
                .await
                .unwrap()
        );
    }
    assert_eq!(registry.open_servers(), 0);
    assert!(registry.list(None, 10).unwrap().is_empty());
}
