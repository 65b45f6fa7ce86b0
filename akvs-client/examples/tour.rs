//! A tour of the client, against the server of `AKVS_URL`. It uses namespaces of its own and drops them at the end.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use akvs_client::{
    Change, Client, ClientBuilder, Codec, CodecError, Encoding, IfChanged, ImportMode, ListEntry,
    Namespace, Put, Record, RetryPolicy, Settings, Text,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

type Done = Result<(), Box<dyn Error>>;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    mails: Vec<String>,
}

#[tokio::main]
async fn main() -> Done {
    // More retries than by default, for calls that may be repeated.
    let policy = RetryPolicy::default()
        .max_retries(5)
        .max_backoff(Duration::from_secs(2));
    let client = ClientBuilder::from_env()?
        .retry(policy)
        .call_timeout(Duration::from_secs(20))
        .build()?;
    let version = client.version().await?;
    println!(
        "AKVS {} at {client:?}, writes are {}",
        version.version, version.durability
    );

    // The process id separates concurrent tours.
    let name = format!("tour-{}", std::process::id());
    let namespace = client.namespace(&name)?;
    let toured = tour(&client, &namespace).await;
    let is_dropped = namespace.drop_namespace().await;
    toured?;
    assert!(is_dropped?);
    println!("dropped {name}");
    Ok(())
}

async fn tour(client: &Client, namespace: &Namespace) -> Done {
    values(namespace).await?;
    codecs(namespace).await?;
    conditions(namespace).await?;
    updates(namespace).await?;
    waits(namespace).await?;
    transactions(namespace).await?;
    lists(client, namespace).await?;
    watches(namespace).await?;
    transfers(client, namespace).await
}

/// Stores typed values, bytes, and values with a time to live.
async fn values(namespace: &Namespace) -> Done {
    let ann = User {
        name: "Ann".into(),
        mails: vec!["ann@mail.example".into()],
    };
    namespace.set("user/ann", &ann).await?;
    let entry = namespace.get::<User>("user/ann").await?.ok_or("no Ann")?;
    assert_eq!(entry.value, ann);
    println!("user/ann has revision {:?}", entry.revision);

    namespace
        .set_bytes(b"any \xff bytes", "hello world")
        .content_type("text/plain")
        .await?;
    assert_eq!(
        namespace.get_bytes_or(b"any \xff bytes", "").await?,
        "hello world"
    );

    let written = namespace
        .set("session", "data")
        .ttl(Duration::from_secs(60))
        .await?;
    assert!(written.expires.is_some());
    println!("the session expires in a minute");
    Ok(())
}

/// A custom codec: numbers separated by commas.
struct Csv;

impl Codec<Vec<u32>> for Csv {
    fn encode(&self, value: &Vec<u32>) -> Result<(Bytes, Cow<'static, str>), CodecError> {
        let fields: Vec<String> = value.iter().map(u32::to_string).collect();
        Ok((fields.join(",").into(), "text/csv".into()))
    }

    fn decode(&self, bytes: Bytes, _: &str) -> Result<Vec<u32>, CodecError> {
        let text = std::str::from_utf8(&bytes)?;
        text.split(',').map(|field| Ok(field.parse()?)).collect()
    }
}

/// Uses other formats than JSON, and reads a key without its value.
async fn codecs(namespace: &Namespace) -> Done {
    namespace.set_with(&Csv, "primes", &vec![2, 3, 5]).await?;
    let text = namespace
        .get_with(&Text, "primes")
        .await?
        .ok_or("no text")?;
    assert_eq!(text.value, "2,3,5");
    let read = namespace
        .get_with(&Csv, "primes")
        .await?
        .ok_or("no numbers")?;
    assert_eq!(read.value, [2, 3, 5]);
    let head = namespace.head("primes").await?.ok_or("no head")?;
    println!("primes is {}", head.content_type);
    assert!(namespace.del("primes").if_exists().await?);
    assert!(!namespace.exists("primes").await?);
    Ok(())
}

/// Takes a lock: of concurrent writers exactly one wins.
async fn conditions(namespace: &Namespace) -> Done {
    let mine = namespace.set("lock", "mine").if_absent().await?;
    let refused = namespace.set("lock", "yours").if_absent().await;
    match refused {
        Err(error) if error.is_precondition_failed() => {
            println!("the lock is taken: {error}");
            assert_eq!(error.current_revision(), mine.revision);
        }
        // A repeated write, or one whose answer was lost: read the key first.
        Err(error) if error.is_unknown_outcome() => return Err(error.into()),
        other => return Err(format!("the lock was taken twice: {other:?}").into()),
    }
    assert_eq!(namespace.add("visits", 41).await?, 41);
    assert_eq!(namespace.add("visits", 1).await?, 42);
    println!("42 visits");
    Ok(())
}

/// Updates a value concurrently, without losing a change.
async fn updates(namespace: &Namespace) -> Done {
    let add_mail = |mail: &'static str| {
        namespace.update("user/ann", move |user: Option<User>| {
            let mut user = user?;
            user.mails.push(mail.into());
            Some(user)
        })
    };
    let (one, other) = tokio::join!(
        add_mail("a@mail.example").into_future(),
        add_mail("b@mail.example").into_future(),
    );
    let (one, other) = (one?.ok_or("no Ann")?, other?.ok_or("no Ann")?);
    let mails = one.value.mails.len().max(other.value.mails.len());
    println!("Ann has {mails} mail addresses");
    assert_eq!(mails, 3);
    Ok(())
}

/// Waits for a change of a key, without polling.
async fn waits(namespace: &Namespace) -> Done {
    let entry = namespace.head("visits").await?.ok_or("no visits")?;
    let known = entry.revision.ok_or("no revision")?;
    let (changed, sum) = tokio::join!(
        namespace.wait_for_change::<i64>("visits", known, Duration::from_secs(30)),
        namespace.add("visits", 1).into_future(),
    );
    let IfChanged::Changed(entry) = changed? else {
        return Err("no change".into());
    };
    println!("{} visits", entry.value);
    assert_eq!(entry.value, sum?);
    Ok(())
}

/// Transfers money atomically, and refuses to do it twice.
async fn transactions(namespace: &Namespace) -> Done {
    namespace
        .txn()
        .set("balance/ann", &30)
        .set("balance/bob", &0)
        .commit()
        .await?;
    let transfer = namespace
        .txn()
        .check_absent("transfer/1")
        .add("balance/ann", -10)
        .add("balance/bob", 10)
        .put(
            "transfer/1",
            Put::json(&("ann", "bob", 10)).ttl(Duration::from_secs(3_600)),
        );
    let done = transfer.commit().await?;
    println!(
        "Ann has {:?}, Bob {:?}",
        done.results[0].value, done.results[1].value
    );

    let again = namespace
        .txn()
        .check_absent("transfer/1")
        .add("balance/ann", -10);
    let failed = again
        .commit()
        .await
        .err()
        .and_then(|error| error.failed_check());
    assert_eq!(failed.ok_or("paid twice")?.key, "transfer/1");
    let balances = namespace
        .get_many::<i64>(["balance/bob", "balance/eve"])
        .await?;
    let balances: Vec<_> = balances
        .into_iter()
        .map(|entry| Some(entry?.value))
        .collect();
    assert_eq!(balances, [Some(10), None]);
    Ok(())
}

/// Lists keys as streams, which request pages as needed.
async fn lists(client: &Client, namespace: &Namespace) -> Done {
    namespace
        .configure(&Settings::default().max_keys(1_000))
        .await?;
    let (mut listed, mut groups) = (namespace.list().delimiter("/").stream(), 0);
    while let Some(listed) = listed.next().await.transpose()? {
        match listed {
            ListEntry::Item(item) => println!("{}, {} bytes", item.key.escape_ascii(), item.size),
            ListEntry::Prefix(prefix) => {
                println!("{}…", prefix.escape_ascii());
                groups += 1;
            }
        }
    }
    assert_eq!(groups, 3);
    let mut users = namespace.list().prefix("user/").values().snapshot();
    let ann = users.next().await.ok_or("no user")??;
    assert_eq!(ann.json::<User>()?.ok_or("no value")?.name, "Ann");
    let page = client.namespaces().prefix(namespace.name()).page().await?;
    assert_eq!(page.namespaces[0].keys, Some(8));
    Ok(())
}

/// Watches the state, then the changes.
async fn watches(namespace: &Namespace) -> Done {
    let mut changes = namespace
        .watch()
        .prefix("user/")
        .from_state()
        .values()
        .stream();
    assert!(matches!(
        changes.next().await.transpose()?,
        Some(Change::Set(_))
    ));
    assert!(matches!(
        changes.next().await.transpose()?,
        Some(Change::Synced { .. })
    ));
    namespace.del("user/ann").await?;
    let change = changes.next().await.transpose()?;
    assert!(matches!(change, Some(Change::Deleted { .. })));
    println!("the watch reports that Ann was deleted");
    Ok(())
}

/// Copies a namespace by export and import.
async fn transfers(client: &Client, namespace: &Namespace) -> Done {
    let copy = client.namespace(format!("{}-copy", namespace.name()))?;
    let file = namespace.export().bytes(Encoding::Gzip);
    let done = copy.import().encoding(Encoding::Gzip).stream(file).await?;
    let more = [Record::new("lock", "theirs"), Record::new("more", "1")];
    let added = copy.import().mode(ImportMode::Create).records(more).await?;
    let deleted = copy.delete_prefix("balance/").await?;
    println!(
        "{} keys copied, {} added, {deleted} deleted",
        done.imported, added.imported
    );
    assert!(copy.drop_namespace().await?);
    assert_eq!(
        (done.imported, added.imported, added.skipped, deleted),
        (7, 1, 1, 2)
    );
    Ok(())
}
