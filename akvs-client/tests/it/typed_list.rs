//! Lists of the client: streams over pages, groups, and snapshots.

use std::collections::BTreeSet;

use akvs_client::{Item, ListEntry, Namespace, Revision};
use bytes::Bytes;

use akvs_testing::server::{TestServer, block_on};

const MANY: u32 = 2_500;

/// Returns a key that is not UTF-8; keys have the order of their numbers.
fn key(number: u32) -> [u8; 4] {
    (number << 8 | 0xff).to_be_bytes()
}

/// Stores keys with these numbers.
async fn fill(namespace: &Namespace, numbers: impl IntoIterator<Item = u32>) {
    let numbers: Vec<u32> = numbers.into_iter().collect();
    for some in numbers.chunks(1_000) {
        let txn = some.iter().fold(namespace.txn(), |txn, number| {
            txn.set_bytes(key(*number), number.to_string())
        });
        txn.commit().await.expect("a commit");
    }
}

macro_rules! all {
    ($stream:expr) => {{
        let mut stream = $stream;
        let mut all = Vec::new();
        while let Some(element) = stream.next().await {
            all.push(element.unwrap());
        }
        assert!(stream.next().await.is_none());
        all
    }};
}

fn keys(items: &[Item]) -> Vec<Bytes> {
    items.iter().map(|item| item.key.clone()).collect()
}

#[test]
fn a_stream_has_every_key_once_in_both_directions() {
    let app = TestServer::start();
    let mut expected: Vec<Bytes> = (0..MANY).map(|n| Bytes::copy_from_slice(&key(n))).collect();
    block_on(async {
        let namespace = app.namespace("a b/ü");
        fill(&namespace, 0..MANY).await;
        for limit in [7, 100, 999] {
            let items = all!(namespace.list().limit(limit).stream());
            assert_eq!(keys(&items), expected, "{limit}");
        }
        assert_eq!(keys(&all!(namespace.list().stream())), expected);
        assert_eq!(keys(&all!(namespace.list().limit(3).snapshot())), expected);
        expected.reverse();
        let back = namespace.list().reverse();
        assert_eq!(keys(&all!(back.clone().stream())), expected);
        assert_eq!(keys(&all!(back.limit(77).stream())), expected);
    });
}

#[test]
fn start_and_end_of_any_bytes_bound_the_list() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let all_bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        for byte in &all_bytes {
            namespace.set_bytes(byte, "v").await.unwrap();
        }
        let found = |list: akvs_client::List| async move { keys(&all!(list.stream())) };
        let list = namespace.list();
        assert_eq!(found(list.clone().prefix([0xff])).await, [&b"\xff"[..]]);
        assert_eq!(
            found(list.clone().start([254])).await,
            [&b"\xfe"[..], b"\xff"]
        );
        assert_eq!(found(list.clone().end([2])).await, [&b"\0"[..], b"\x01"]);
        let middle = list.clone().start([128]).end([130]).reverse();
        assert_eq!(found(middle).await, [&b"\x81"[..], b"\x80"]);
        assert_eq!(found(list.end("")).await, [""; 0]);
    });
}

#[test]
fn a_key_that_exists_throughout_is_listed_once() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        for reverse in [false, true] {
            fill(&namespace, (0..600).map(|n| n * 4)).await;
            let list = namespace.list().limit(10);
            let list = if reverse { list.reverse() } else { list };
            let (mut stream, mut seen, mut round) = (list.stream(), Vec::new(), 0);
            while let Some(item) = stream.next().await {
                seen.push(item.unwrap().key);
                if seen.len() % 10 == 0 {
                    // Every other key stays; of the others, some are deleted and some added, before and after the page.
                    round += 1;
                    namespace.del(key(round * 8 + 4)).await.unwrap();
                    namespace.del(key(2_400 - round * 8 - 4)).await.unwrap();
                    fill(&namespace, [round * 8 + 1, 2_400 - round * 8 - 1]).await;
                    namespace.set(key(round * 8), &"again").await.unwrap();
                }
            }
            let once: BTreeSet<&Bytes> = seen.iter().collect();
            assert_eq!(once.len(), seen.len(), "a key came twice");
            for number in (0..300).map(|n| n * 8) {
                let stood = Bytes::copy_from_slice(&key(number));
                assert!(
                    once.contains(&stood),
                    "{number} is missing, reverse: {reverse}"
                );
            }
            namespace.drop_namespace().await.unwrap();
        }
    });
}

#[test]
fn a_snapshot_is_consistent() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        fill(&namespace, 0..MANY).await;
        let mut stream = namespace.list().values().snapshot();
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(
            (&first.key[..], first.value.as_deref()),
            (&key(0)[..], Some(&b"0"[..]))
        );
        for number in [MANY - 1, MANY - 2] {
            namespace.del(key(number)).await.unwrap();
        }
        fill(&namespace, [MANY]).await;
        namespace.set_bytes(key(MANY - 3), "new").await.unwrap();
        let rest = all!(stream);
        assert_eq!(rest.len(), MANY as usize - 1);
        let last = rest.last().unwrap().value.as_deref();
        assert_eq!(last, Some(&b"2499"[..]));
        assert_eq!(rest[MANY as usize - 4].value.as_deref(), Some(&b"2497"[..]));
    });
}

#[test]
fn an_item_has_all_metadata() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set_bytes(b"\xfe/", vec![0, 255]);
        let write = write.content_type("image/x").content_encoding("gzip");
        let written = write
            .ttl(std::time::Duration::from_millis(1_500))
            .await
            .unwrap();
        namespace.set_bytes("text", "").await.unwrap();
        let items = all!(namespace.list().values().reverse().stream());
        assert_eq!(items, all!(namespace.list().values().reverse().snapshot()));
        assert_eq!(
            items,
            namespace
                .list()
                .values()
                .reverse()
                .page()
                .await
                .unwrap()
                .items
        );
        assert_eq!(items[0].key, &b"\xfe/"[..]);
        assert_eq!(Some(items[0].revision), written.revision);
        assert_eq!(
            (items[0].size, items[0].value.as_deref()),
            (2, Some(&[0, 255][..]))
        );
        assert_eq!(items[0].content_type, "image/x");
        assert_eq!(items[0].content_encoding.as_deref(), Some("gzip"));
        assert_eq!(items[0].modified, Some(clock.after(0)));
        assert_eq!(items[0].expires, Some(clock.after(1_500)));
        assert_eq!(
            (items[1].size, items[1].value.as_deref()),
            (0, Some(&b""[..]))
        );
        assert_eq!(
            (&*items[1].content_type, items[1].expires),
            ("application/octet-stream", None)
        );
        let without = namespace.list().page().await.unwrap();
        assert!(without.items.iter().all(|item| item.value.is_none()));
        assert_eq!(without.items[1].size, 2);
    });
}

#[test]
fn groups_and_items_are_in_one_order_over_pages() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        for name in [
            &b"a"[..],
            b"a/1",
            b"a/2/3",
            b"a0",
            b"b/1",
            b"c",
            b"\xff/1",
            b"\xff0",
        ] {
            namespace.set_bytes(name, "v").await.unwrap();
        }
        let mut expected = [&b"a"[..], b"a/", b"a0", b"b/", b"c", b"\xff/", b"\xff0"];
        let names = |listed: Vec<ListEntry>| -> Vec<Bytes> {
            listed.iter().map(|one| one.name().clone()).collect()
        };
        for limit in [1, 2, 3, 100] {
            let list = namespace.list().limit(limit).delimiter("/");
            assert_eq!(names(all!(list.stream())), expected, "{limit}");
        }
        expected.reverse();
        for limit in [1, 2, 3, 100] {
            let list = namespace.list().limit(limit).reverse().delimiter("/");
            let listed = all!(list.stream());
            let is_group = |one: &ListEntry| matches!(one, ListEntry::Prefix(_));
            assert_eq!(listed.iter().filter(|one| is_group(one)).count(), 3);
            assert_eq!(names(listed), expected, "{limit}");
        }
        let below = namespace.list().prefix("a/").delimiter("/").stream();
        assert_eq!(names(all!(below)), ["a/1", "a/2/"]);
    });
}

#[test]
fn large_values_make_more_pages() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        // Each byte of the value has six bytes in JSON.
        let value = vec![1; 700_000];
        for number in 0..5 {
            namespace
                .set_bytes(key(number), value.clone())
                .await
                .unwrap();
        }
        let page = namespace.list().values().page().await.unwrap();
        assert!(page.items.len() < 5 && page.cursor.is_some());
        for items in [
            all!(namespace.list().values().stream()),
            all!(namespace.list().values().snapshot()),
        ] {
            assert_eq!(items.len(), 5);
            assert!(
                items
                    .iter()
                    .all(|item| item.value.as_deref() == Some(&value[..]))
            );
        }
    });
}

#[test]
fn an_invalid_list_is_the_only_item_of_its_stream() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let mut streams = [
            namespace.list().stream(),
            namespace.list().limit(0).stream(),
        ];
        for stream in &mut streams {
            assert!(stream.next().await.unwrap().is_err());
            assert!(stream.next().await.is_none());
        }
        let missing = namespace.list().snapshot().next().await.unwrap();
        assert!(missing.unwrap_err().is_not_found());
        namespace.set("a", &1).await.unwrap();
        let page = namespace.list().page().await.unwrap();
        assert!(page.revision > Revision::ZERO);
        let other = namespace.list().page_at("no cursor").await.unwrap_err();
        assert_eq!(other.code(), Some(akvs_client::Code::InvalidRequest));
    });
}
