//! The second round trip of a group: what it has changed is written and committed.

use akvs_core::evaluation::PendingNamespace;
use akvs_core::{Code, Counts, Entry, Error, Key, Settings, StoredEntry, Timestamp};
use futures_util::future::{join, join_all, join3};
use tokio_postgres::Client;

use crate::connection::Prepared;
use crate::failure::{not_applied, unavailable};
use crate::load::GroupContext;
use crate::rows::{EntryColumns, EventColumns, int};
use crate::statements::WriteStatements;

/// Why a group was not written.
pub(crate) enum WriteError {
    NotApplied(Error),
    Lost(Error),
}

type Written = Result<u64, tokio_postgres::Error>;

/// What a group has changed.
struct Write<'a> {
    client: &'a Client,
    statements: &'a WriteStatements,
    context: &'a GroupContext<'a>,
    ns: i64,
    token: i64,
    /// The number of the namespace's creations and drops: for the entries that are written, and after the group.
    born: i32,
    life: i32,
    is_dropped: bool,
    settings: Settings,
    counts: Counts,
}

/// Writes and commits what a group has changed.
pub(crate) async fn write(
    connection: &Prepared<WriteStatements>,
    ns: i64,
    token: i64,
    context: &GroupContext<'_>,
    namespace: PendingNamespace,
) -> Result<(), WriteError> {
    let is_dropped = namespace.is_dropped();
    // Each creation and each drop adds one.
    let born = context.loaded.life + i32::from(context.created.is_some());
    let write = Write {
        client: connection.client(),
        statements: &connection.statements,
        context,
        ns,
        token,
        born,
        life: born + i32::from(is_dropped),
        is_dropped,
        settings: namespace.settings(),
        counts: namespace.counts(),
    };
    let entries: Vec<_> = namespace.into_changes().collect();
    // Polled in this order, so that they are sent in it.
    let rows = join3(write.append(), write.update_row(), write.discard());
    let commit = async { write.client.execute(&write.statements.commit, &[]).await };
    let (written, ((appended, updated, discarded), committed)) =
        join(write.entries(&entries), join(rows, commit)).await;
    let rows = [appended, updated, discarded];
    for result in written.into_iter().chain(rows) {
        if let Err(error) = result {
            return Err(match error.as_db_error() {
                // What follows a failed statement is rolled back.
                Some(_) => WriteError::NotApplied(not_applied(error)),
                None => WriteError::Lost(unavailable(error)),
            });
        }
    }
    // An error may come from a server that was stopped while it waited for a standby.
    committed.map_err(|error| WriteError::Lost(unavailable(error)))?;
    if connection.session.take_warning() {
        let text = "the database warned of a commit that may be lost";
        return Err(WriteError::Lost(Error::new(Code::Unavailable, text)));
    }
    Ok(())
}

impl Write<'_> {
    /// Writes the changed entries.
    async fn entries(&self, entries: &[(Key, Option<StoredEntry>)]) -> Vec<Written> {
        let (mut put, mut touched, mut deleted) = (EntryColumns::default(), Vec::new(), Vec::new());
        for (key, stored) in entries {
            match stored {
                Some(stored) if stored.separated.is_some() => touched.push((key, &stored.entry)),
                Some(stored) => put.push(key, &stored.entry),
                None => deleted.push(key),
            }
        }
        let touched = touched
            .into_iter()
            .map(|(key, entry)| self.touch(key, entry));
        let deleted = deleted.into_iter().map(|key| self.delete(key));
        let (put, mut written, deleted) =
            join3(self.put(put), join_all(touched), join_all(deleted)).await;
        written.push(put);
        written.extend(deleted);
        written
    }

    async fn put(&self, columns: EntryColumns<'_>) -> Written {
        if columns.keys.is_empty() {
            return Ok(0);
        }
        self.client
            .execute(
                &self.statements.put,
                &[
                    &self.ns,
                    &self.born,
                    &columns.keys,
                    &columns.revisions,
                    &columns.created,
                    &columns.modified,
                    &columns.deadlines,
                    &columns.types,
                    &columns.encodings,
                    &columns.values,
                ],
            )
            .await
    }

    async fn touch(&self, key: &Key, entry: &Entry) -> Written {
        let deadline = entry.deadline.map(|deadline| int(deadline.as_millis()));
        self.client
            .execute(
                &self.statements.touch,
                &[
                    &self.ns,
                    &self.born,
                    &key.as_bytes(),
                    &int(entry.revision.get()),
                    &int(entry.modified.as_millis()),
                    &deadline,
                ],
            )
            .await
    }

    async fn delete(&self, key: &Key) -> Written {
        let key = key.as_bytes();
        self.client
            .execute(&self.statements.delete, &[&self.ns, &self.born, &key])
            .await
    }

    /// Appends the changes to the history, with what the namespace holds after them.
    async fn append(&self) -> Written {
        let mut columns = EventColumns::default();
        for event in &self.context.events {
            columns.push(event, self.context.loaded.now);
        }
        if columns.revisions.is_empty() {
            return Ok(0);
        }
        let (keys, bytes) = match self.is_dropped {
            true => (0, 0),
            false => (int(self.counts.keys), int(self.counts.bytes)),
        };
        let changes = self
            .counts
            .history
            .saturating_add(self.context.loaded.trimmed);
        self.client
            .execute(
                &self.statements.append,
                &[
                    &self.ns,
                    &self.token,
                    &columns.revisions,
                    &columns.indexes,
                    &columns.kinds,
                    &columns.is_last,
                    &columns.keys,
                    &columns.sizes,
                    &columns.created,
                    &columns.modified,
                    &columns.deadlines,
                    &columns.types,
                    &columns.encodings,
                    &columns.values,
                    &int(self.context.revision.get()),
                    &keys,
                    &bytes,
                    &int(changes),
                ],
            )
            .await
    }

    /// Writes the row of the namespace, if it was created, dropped or configured.
    async fn update_row(&self) -> Written {
        let loaded = self.context.loaded;
        if self.life == loaded.life && !self.context.is_configured {
            return Ok(0);
        }
        let created = self.context.created.map(Timestamp::as_millis);
        let limit = |limit: Option<u64>| limit.filter(|_| !self.is_dropped).map(int);
        self.client
            .execute(
                &self.statements.update_row,
                &[
                    &self.ns,
                    &self.life,
                    &int(created.unwrap_or(loaded.created)),
                    &limit(self.settings.ttl_ms),
                    &limit(self.settings.max_value_bytes),
                    &limit(self.settings.max_keys),
                    &limit(self.settings.max_bytes),
                    &self.token,
                ],
            )
            .await
    }

    /// Notes the entries of a dropped namespace for removal.
    async fn discard(&self) -> Written {
        let loaded = self.context.loaded;
        if !self.is_dropped || !loaded.exists() {
            return Ok(0);
        }
        self.client
            .execute(&self.statements.discard, &[&self.ns, &loaded.life])
            .await
    }
}
