//! Groups of commands: locked and loaded in one round trip, evaluated here, written and committed in another.
//!
//! Invariant: a group counts as committed only if the server has answered each of its statements without an error and
//! without a warning. A `COMMIT` after a failed statement is answered as a success, and so is one whose wait for a
//! standby was cancelled.

use std::time::Duration;

use akvs_core::{Code, Error, Result, Revision};
use akvs_server::{Attempt, CommandOutput, Committed, LostCommit};
use futures_util::future::{join, join4};

use crate::connection::within;
use crate::failure::{timed_out, unavailable};
use crate::load::{Change, GroupContext, load, unknown_number};
use crate::pool::Lease;
use crate::rows::{column, int, number};
use crate::statements::WriteStatements;
use crate::write::{WriteError, write};

/// How an attempt ended, and the size of the history afterwards.
pub(crate) struct Grouped {
    pub(crate) attempt: Attempt,
    pub(crate) history_changes: u64,
}

impl From<Attempt> for Grouped {
    fn from(attempt: Attempt) -> Grouped {
        Grouped {
            attempt,
            history_changes: 0,
        }
    }
}

/// Commits changes of a namespace, by its number.
pub(crate) async fn group(
    lease: Lease<WriteStatements>,
    timeout: Duration,
    ns: i64,
    changes: &[Change<'_>],
) -> Grouped {
    let loaded = match within(timeout, load(&lease, ns, changes)).await {
        Ok(loaded) => loaded,
        // The connection is closed, which ends its transaction.
        Err(error) => return Attempt::NotApplied(error).into(),
    };
    let mut namespace = loaded.namespace();
    let mut context = GroupContext::new(&loaded);
    let mut outputs = Vec::with_capacity(changes.len());
    for change in changes {
        outputs.push(match change {
            Change::Command(command) => {
                (*command)
                    .clone()
                    .evaluate(&mut namespace, &mut context, loaded.now)
            }
            Change::Expire(key, deadline) => namespace
                .expire(&mut context, key, *deadline, loaded.now)
                .map(CommandOutput::Existed),
        });
    }
    let first = loaded.revision.next();
    let has_events = !context.events.is_empty();
    let committed = Committed {
        outputs,
        revision: has_events.then_some(context.revision),
    };
    if !context.has_changes() {
        let ended = lease.client().execute(&lease.statements.rollback, &[]);
        let ended = within(timeout, async { ended.await.map_err(unavailable) });
        if ended.await.is_ok() {
            lease.keep();
        }
        return Attempt::Done(committed).into();
    }
    let token = fastrand::i64(1..);
    let history_changes = namespace.counts().history;
    let written = write(&lease, ns, token, &context, namespace);
    match tokio::time::timeout(timeout, written).await {
        Ok(Ok(())) => {
            lease.keep();
            Grouped {
                attempt: Attempt::Done(committed),
                history_changes,
            }
        }
        Ok(Err(WriteError::NotApplied(error))) => Attempt::NotApplied(error).into(),
        Ok(Err(WriteError::Lost(cause))) => lost(first, token, has_events, committed, cause),
        Err(_) => lost(first, token, has_events, committed, timed_out()),
    }
}

fn lost(
    first: Revision,
    token: i64,
    has_events: bool,
    committed: Committed,
    cause: Error,
) -> Grouped {
    let first = if has_events { first } else { Revision::ZERO };
    Attempt::Lost(LostCommit {
        first,
        token,
        committed,
        cause,
    })
    .into()
}

/// Returns whether a group was applied whose answer was lost.
///
/// The lock waits for a connection that may still be committing it, and the write makes the commit count: a primary that no standby
/// follows any more cannot answer it.
pub(crate) async fn resolve(
    lease: Lease<WriteStatements>,
    timeout: Duration,
    ns: i64,
    lost: &LostCommit,
) -> Result<bool> {
    let (client, statements) = (lease.client(), &lease.statements);
    lease.session.take_warning();
    let first = int(lost.first.get());
    let asked = async {
        let (begin, lock, token, (confirm, commit)) = join4(
            client.execute(&statements.begin, &[]),
            client.query_opt(&statements.lock, &[&ns]),
            client.query_opt(&statements.token, &[&ns, &first]),
            join(
                client.execute(&statements.confirm, &[&ns]),
                client.execute(&statements.commit, &[]),
            ),
        )
        .await;
        begin.map_err(unavailable)?;
        let lock = lock.map_err(unavailable)?.ok_or_else(unknown_number)?;
        let token = token.map_err(unavailable)?;
        confirm.map_err(unavailable)?;
        commit.map_err(unavailable)?;
        Ok((lock, token))
    };
    let (lock, token) = within(timeout, asked).await?;
    if lease.session.take_warning() {
        let text = "the database warned of a commit that may be lost";
        return Err(Error::new(Code::Unavailable, text));
    }
    lease.keep();
    if lost.first == Revision::ZERO {
        // Only the namespace's row was changed, which has the token of the last such change.
        return Ok(column::<i64>(&lock, 3)? == lost.token);
    }
    match token {
        Some(row) => Ok(column::<i64>(&row, 0)? == lost.token),
        None if number(&lock, 1)? >= lost.first.get() => Err(Error::new(
            Code::OutcomeUnknown,
            "the history of the commit was trimmed",
        )),
        None => Ok(false),
    }
}
