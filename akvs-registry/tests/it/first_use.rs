//! Concurrent first uses of a namespace open it exactly once: no acknowledged write is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use akvs_registry::Registry;
use futures_util::future::join_all;

const RACERS: usize = 200;
const THREADS: usize = 4;

/// Writes `RACERS` keys concurrently, spread over `namespaces` that do not exist, and reads all of them.
fn race(registry: &Registry, round: usize, namespaces: usize) {
    let ready = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let ready = &ready;
            scope.spawn(move || {
                let writes = (thread..RACERS)
                    .step_by(THREADS)
                    .map(|racer| write(registry, round, namespaces, racer));
                // Spins until all are ready: a thread that must be woken would be too late to race.
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < THREADS {
                    std::hint::spin_loop();
                }
                pollster::block_on(join_all(writes));
            });
        }
    });
    let listed = registry.list(None, usize::MAX).expect("a list");
    let of_round = listed
        .iter()
        .filter(|info| info.name.as_str().starts_with(&format!("r{round}n")));
    let keys: Vec<u64> = of_round.map(|info| info.counts.keys).collect();
    assert_eq!(
        (keys.len(), keys.iter().sum::<u64>()),
        (namespaces, RACERS as u64)
    );
    for racer in 0..RACERS {
        let found = pollster::block_on(registry.get(
            &namespace(round, namespaces, racer),
            racer.to_string().as_bytes(),
        ));
        assert_eq!(
            found.expect("an acknowledged write").value,
            racer.to_string()
        );
    }
}

async fn write(registry: &Registry, round: usize, namespaces: usize, racer: usize) {
    let namespace = namespace(round, namespaces, racer);
    let outcome =
        crate::common::set(registry, &namespace, racer.to_string(), racer.to_string()).await;
    assert!(!outcome.expect("a write").existed);
}

fn namespace(round: usize, namespaces: usize, racer: usize) -> String {
    // Neighbours, which different threads write at the same time, share a namespace.
    format!("r{round}n{}", racer / THREADS % namespaces)
}

#[test]
fn concurrent_first_writes_open_one_namespace_once() {
    let registry = crate::common::memory();
    for round in 0..300 {
        race(&registry, round, 1);
    }
}

#[test]
fn concurrent_first_writes_open_each_namespace_once() {
    let registry = crate::common::memory();
    for round in 0..100 {
        race(&registry, round, 40);
    }
}

#[test]
fn concurrent_first_writes_survive_a_restart_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        race(&crate::common::disk(folder.path()), round, 7);
    }
    assert_eq!(
        crate::common::disk(folder.path())
            .list(None, usize::MAX)
            .unwrap()
            .len(),
        70
    );
}

#[tokio::test]
async fn a_read_opens_and_creates_no_namespace() {
    let registry = crate::common::memory();
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
