//! Maintenance, in bounded steps that one node at a time makes: expired entries, long histories, and what drops have left.

use std::collections::BTreeMap;
use std::sync::Arc;

use akvs_core::{Key, Result, Timestamp};
use akvs_server::Attempt;
use tokio_postgres::Client;

use crate::connection::within;
use crate::failure::not_applied;
use crate::inner::Inner;
use crate::load::Change;
use crate::lock::lock;
use crate::rows::{column, int, key, number};
use crate::sql;

/// The key of the lock that the maintaining node holds.
const MAINTENANCE_LOCK: i64 = 0x616b_7674;
/// The maximum size of a step: entries that expire, changes that are trimmed, entries that are removed.
const EXPIRED_ENTRIES: i64 = 500;
const TRIMMED_CHANGES: u64 = 2_000;
const SWEPT_ENTRIES: i64 = 1_000;

/// Makes a step; returns whether there is more to do at once.
pub(crate) async fn step(inner: &Arc<Inner>) -> Result<bool> {
    let session = inner.connector.connect().await?;
    let (client, timeout) = (&session.client, inner.timeout());
    let is_expired = within(timeout, expire(inner, client)).await?;
    let is_trimmed = within(timeout, trim(inner, client)).await?;
    let is_swept = within(timeout, sweep(client)).await?;
    Ok(is_expired || is_trimmed || is_swept)
}

/// Begins a transaction in which no other node maintains the database; returns whether it is this node's turn.
async fn begin(client: &Client) -> Result<bool> {
    client
        .batch_execute(sql::BEGIN)
        .await
        .map_err(not_applied)?;
    let row = client
        .query_one(sql::TRY_MAINTENANCE, &[&MAINTENANCE_LOCK])
        .await;
    let is_mine: bool = column(&row.map_err(not_applied)?, 0)?;
    if !is_mine {
        end(client, sql::ROLLBACK).await?;
    }
    Ok(is_mine)
}

async fn end(client: &Client, how: &str) -> Result<()> {
    client.batch_execute(how).await.map_err(not_applied)
}

/// Removes entries whose deadlines have passed; returns whether there may be more.
async fn expire(inner: &Arc<Inner>, client: &Client) -> Result<bool> {
    if !begin(client).await? {
        return Ok(false);
    }
    let rows = client.query(sql::DUE, &[&EXPIRED_ENTRIES]).await;
    let rows = rows.map_err(not_applied)?;
    // Each removal is evaluated again under the lock of its namespace: two nodes at once do no harm.
    end(client, sql::ROLLBACK).await?;
    let mut due: BTreeMap<i64, Vec<(Key, Timestamp)>> = BTreeMap::new();
    for row in &rows {
        let deadline = Timestamp::from_millis(number(row, 2)?);
        let entries = due.entry(column(row, 0)?).or_default();
        entries.push((key(row, 1)?, deadline));
    }
    for (namespace, entries) in due {
        let changes = entries
            .iter()
            .map(|(key, deadline)| Change::Expire(key, *deadline));
        let changes: Vec<Change<'_>> = changes.collect();
        match inner.commit(namespace, &changes).await {
            Attempt::Done(committed) => {
                if let Some(revision) = committed.revision {
                    inner.announce(namespace, revision);
                }
            }
            Attempt::NotApplied(error) => return Err(error),
            // The next step finds what is left.
            Attempt::Lost(lost) => return Err(lost.cause),
        }
    }
    Ok(rows.len() as i64 >= EXPIRED_ENTRIES)
}

/// Trims a history that is too long; returns whether there is more to trim.
async fn trim(inner: &Arc<Inner>, client: &Client) -> Result<bool> {
    let Some(namespace) = lock(&inner.untrimmed).iter().next().copied() else {
        return Ok(false);
    };
    client
        .batch_execute(sql::BEGIN)
        .await
        .map_err(not_applied)?;
    let removed = trim_locked(inner, client, namespace).await?;
    end(client, sql::COMMIT).await?;
    if removed == 0 {
        // It is short enough, or its next revision has more changes than a step: the next commit asks again.
        lock(&inner.untrimmed).remove(&namespace);
    }
    Ok(removed > 0)
}

/// Removes the oldest changes beyond the limit, in whole revisions; returns how many.
async fn trim_locked(inner: &Arc<Inner>, client: &Client, namespace: i64) -> Result<u64> {
    let locked = client.query_opt(sql::LOCK, &[&namespace]).await;
    let Some(locked) = locked.map_err(not_applied)? else {
        return Ok(0);
    };
    let last = client.query_one(sql::LAST, &[&namespace]).await;
    let changes = column::<Option<i64>>(&last.map_err(not_applied)?, 5)?;
    let (compacted, trimmed) = (number(&locked, 1)?, number(&locked, 2)?);
    let changes = u64::try_from(changes.unwrap_or_default()).unwrap_or_default();
    let keep = inner.connector.options().history_changes.max(1);
    let excess = changes.saturating_sub(trimmed).saturating_sub(keep);
    if excess == 0 {
        return Ok(0);
    }
    // The change at the cut stays: it may be the last one, which has what the namespace holds.
    let step = int(excess.min(TRIMMED_CHANGES));
    let cut = client
        .query_opt(sql::CUT, &[&namespace, &int(compacted), &step])
        .await;
    let Some(cut) = cut.map_err(not_applied)? else {
        return Ok(0);
    };
    let cut: i64 = column(&cut, 0)?;
    let removed = client
        .execute(sql::TRIM, &[&namespace, &int(compacted), &cut])
        .await;
    let removed = removed.map_err(not_applied)?;
    let compact = client
        .execute(sql::COMPACT, &[&namespace, &(cut - 1), &int(removed)])
        .await;
    compact.map_err(not_applied)?;
    Ok(removed)
}

/// Removes entries of dropped namespaces; returns whether there are more.
async fn sweep(client: &Client) -> Result<bool> {
    if !begin(client).await? {
        return Ok(false);
    }
    let garbage = client.query_opt(sql::GARBAGE, &[]).await;
    let Some(row) = garbage.map_err(not_applied)? else {
        end(client, sql::ROLLBACK).await?;
        return Ok(false);
    };
    let (namespace, life): (i64, i32) = (column(&row, 0)?, column(&row, 1)?);
    let removed = client
        .execute(sql::SWEEP, &[&namespace, &life, &SWEPT_ENTRIES])
        .await;
    if removed.map_err(not_applied)? == 0 {
        let swept = client.execute(sql::SWEPT, &[&namespace, &life]).await;
        swept.map_err(not_applied)?;
    }
    end(client, sql::COMMIT).await?;
    Ok(true)
}
