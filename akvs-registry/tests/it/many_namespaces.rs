//! Ten thousand namespaces: idle ones cost almost no memory and no descriptor.

use std::fs;

use crate::common::set;

const NAMESPACES: usize = 10_000;
/// Measured: 1.5 to 4 KB, most of it rows of the engine that are not written back. A leak would exceed this bound.
const BYTES_EACH: usize = 10_000;

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .expect("a number")
        * 4_096
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_namespaces_stay_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let registry = crate::common::disk(folder.path());
    set(&registry, "first", "key", "value").await.unwrap();
    let (memory, files) = (resident_bytes(), descriptors());

    let names: Vec<String> = (0..NAMESPACES)
        .map(|number| format!("ns{number:05}"))
        .collect();
    for chunk in names.chunks(500) {
        let writes = chunk
            .iter()
            .map(|name| set(&registry, name, "key", "value"));
        for outcome in futures_util::future::join_all(writes).await {
            outcome.unwrap();
        }
    }
    let each = resident_bytes().saturating_sub(memory) / NAMESPACES;
    println!(
        "{each} B of memory for each of {NAMESPACES}, {} open servers",
        registry.open_servers()
    );
    assert!(each < BYTES_EACH, "{each} B for each namespace");
    assert!(
        descriptors() <= files + 8,
        "descriptors grew from {files} to {}",
        descriptors()
    );
    assert!(
        registry.open_servers() < NAMESPACES / 2,
        "idle servers are closed"
    );

    let mut listed = Vec::new();
    while let Some(page) =
        Some(registry.list(listed.last(), 1_000).unwrap()).filter(|page| !page.is_empty())
    {
        assert!(page.iter().all(|info| info.counts.keys == 1));
        listed.extend(page.into_iter().map(|info| info.name));
    }
    assert_eq!(listed.len(), NAMESPACES + 1);
    assert!(listed.is_sorted());

    for chunk in names.chunks(500) {
        let drops = chunk.iter().map(|name| registry.drop_namespace(name));
        for dropped in futures_util::future::join_all(drops).await {
            assert!(dropped.unwrap());
        }
    }
    assert_eq!(registry.list(None, 10).unwrap().len(), 1);
    assert!(descriptors() <= files + 8);
}
