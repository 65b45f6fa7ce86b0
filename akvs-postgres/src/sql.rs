//! All statements.
//!
//! No plan may depend on statistics: each has all columns of an index's key in its condition, also on empty tables. A
//! statement that reads what a lock protects is another one than that which takes the lock: in `read committed` its
//! snapshot would be older than its wait.

macro_rules! state_columns {
    () => {
        "n.ns, n.life, n.created, n.compacted, n.trimmed, n.ttl_ms, n.max_value_bytes, n.max_keys, n.max_bytes, n.name, \
         h.revision, h.keys, h.bytes, h.changes, floor(extract(epoch from clock_timestamp()) * 1000)::int8"
    };
}

macro_rules! last_change {
    () => {
        "left join lateral (select revision, keys, bytes, changes from akvs.history h where h.ns = n.ns \
         order by h.revision desc, h.index desc limit 1) h on true"
    };
}

/// The settings of each session.
pub(crate) const SESSION: &str = "\
    set search_path = akvs; set enable_seqscan = off; set jit = off; set plan_cache_mode = force_generic_plan; \
    set lock_timeout = '10s'; set statement_timeout = 0; set idle_in_transaction_session_timeout = '2s'; \
    set client_min_messages = warning";

pub(crate) const BEGIN: &str = "begin isolation level read committed";
pub(crate) const COMMIT: &str = "commit";
pub(crate) const ROLLBACK: &str = "rollback";

/// Returns the number of a name.
pub(crate) const NUMBER: &str = "select ns from akvs.name where name = $1";
/// Returns the numbers of names.
pub(crate) const NUMBERS: &str = "\
    select u.name, n.ns from unnest($1::text[]) u(name) cross join lateral \
    (select ns from akvs.name n where n.name = u.name collate \"C\" limit 1) n";
/// Assigns a number to a new name.
pub(crate) const ASSIGN_NUMBER: &str =
    "insert into akvs.name (name, ns) values ($1, nextval('akvs.numbers')) on conflict do nothing";
/// Creates the row of a number.
pub(crate) const CREATE_ROW: &str = "\
    insert into akvs.namespace (ns, name, compacted) select $1, $2, purged from akvs.store on conflict do nothing";

/// Returns an entry with up to `$3` bytes of its value. No row: the number is not in use.
pub(crate) const FIND: &str = "\
    select e.revision, e.created, e.modified, e.deadline, e.content_type, e.content_encoding, octet_length(e.value), \
      case when octet_length(e.value) <= $3 then e.value end \
    from akvs.namespace n left join lateral (select * from akvs.entry e where e.ns = $1 and e.life = n.life and e.key = $2 \
      and (e.deadline is null or e.deadline > floor(extract(epoch from clock_timestamp()) * 1000)::int8) limit 1) e on true \
    where n.ns = $1";

/// Locks a namespace.
pub(crate) const LOCK: &str = "\
    select life, compacted, trimmed, token, ttl_ms, max_value_bytes, max_keys, max_bytes, created from akvs.namespace \
    where ns = $1 for no key update";
/// Returns the last change, with what the namespace holds, and the time.
pub(crate) const LAST: &str = "\
    select floor(extract(epoch from clock_timestamp()) * 1000)::int8, h.revision, h.modified, h.keys, h.bytes, h.changes \
    from (select 1) one left join lateral (select revision, modified, keys, bytes, changes from akvs.history where ns = $1 \
      order by revision desc, index desc limit 1) h on true";
/// Returns the entries of keys, with the values of those in `$3`.
pub(crate) const LOAD: &str = "\
    select u.key, e.revision, e.created, e.modified, e.deadline, e.content_type, e.content_encoding, \
      octet_length(e.value), case when u.key = any ($3) then e.value end \
    from unnest($2::bytea[]) u(key) cross join lateral (select * from akvs.entry e where e.ns = $1 \
      and e.life = (select n.life from akvs.namespace n where n.ns = $1) and e.key = u.key limit 1) e";

/// Stores entries with their values.
pub(crate) const PUT: &str = "\
    insert into akvs.entry (ns, life, key, revision, created, modified, deadline, content_type, content_encoding, value) \
    select n.ns, $2, u.* from akvs.namespace n cross join unnest($3::bytea[], $4::int8[], $5::int8[], $6::int8[], \
      $7::int8[], $8::text[], $9::text[], $10::bytea[]) u where n.ns = $1 \
    on conflict (ns, life, key) do update set revision = excluded.revision, created = excluded.created, \
      modified = excluded.modified, deadline = excluded.deadline, content_type = excluded.content_type, \
      content_encoding = excluded.content_encoding, value = excluded.value";
/// Changes an entry without its value.
pub(crate) const TOUCH: &str = "update akvs.entry set revision = $4, modified = $5, deadline = $6 where ns = $1 and life = $2 and key = $3";
pub(crate) const DELETE: &str = "delete from akvs.entry where ns = $1 and life = $2 and key = $3";
/// Appends changes to the history; those of the last revision have what the namespace holds.
pub(crate) const APPEND: &str = "\
    insert into akvs.history (ns, token, revision, index, kind, is_last, key, size, created, modified, deadline, \
      content_type, content_encoding, value, keys, bytes, changes) \
    select n.ns, $2, u.*, case when u.revision = $15 then $16::int8 end, case when u.revision = $15 then $17::int8 end, \
      case when u.revision = $15 then $18::int8 end \
    from akvs.namespace n cross join unnest($3::int8[], $4::int2[], $5::\"char\"[], $6::bool[], $7::bytea[], $8::int8[], \
      $9::int8[], $10::int8[], $11::int8[], $12::text[], $13::text[], $14::bytea[]) \
      u(revision, index, kind, is_last, key, size, created, modified, deadline, content_type, content_encoding, value) \
    where n.ns = $1";
/// Changes the row of a namespace.
pub(crate) const UPDATE_ROW: &str = "\
    update akvs.namespace set life = $2, created = $3, ttl_ms = $4, max_value_bytes = $5, max_keys = $6, max_bytes = $7, \
      token = $8 where ns = $1";
/// Notes the entries of a dropped namespace for removal.
pub(crate) const DISCARD: &str =
    "insert into akvs.garbage (ns, life) values ($1, $2) on conflict do nothing";

/// Returns the token of a commit, by its first revision.
pub(crate) const TOKEN: &str =
    "select token from akvs.history where ns = $1 and revision = $2 and index = 0";
/// A write, so that the commit counts: a primary that no standby follows any more cannot answer it.
pub(crate) const CONFIRM: &str = "update akvs.namespace set compacted = compacted where ns = $1";

/// Returns the newest revisions of namespaces.
pub(crate) const NEWEST: &str = "\
    select u.ns, greatest(n.compacted, coalesce(h.revision, 0)) from unnest($1::int8[]) u(ns) \
    cross join lateral (select compacted from akvs.namespace n where n.ns = u.ns limit 1) n \
    left join lateral (select revision from akvs.history h where h.ns = u.ns order by h.revision desc, h.index desc limit 1) h \
      on true";
/// Returns the newest revision of all unknown namespaces.
pub(crate) const PURGED: &str = "select purged from akvs.store";

/// Returns the state of a namespace, with the time.
pub(crate) const STATE: &str = concat!(
    "select ",
    state_columns!(),
    " from akvs.namespace n ",
    last_change!(),
    " where n.ns = (select a.ns from akvs.name a where a.name = $1)"
);
/// Returns the states of the existing namespaces after a name, in the order of their names.
pub(crate) const STATES: &str = concat!(
    "select ",
    state_columns!(),
    " from akvs.name a \
    cross join lateral (select * from akvs.namespace n where n.ns = a.ns limit 1) n ",
    last_change!(),
    " where a.name > $1 collate \"C\" and n.life % 2 = 1 order by a.name limit $2"
);
/// Returns the number of existing namespaces.
pub(crate) const COUNT: &str = "select count(*) from akvs.namespace where life % 2 = 1";
/// Returns the number of namespaces, and what they hold together.
pub(crate) const TOTALS: &str = concat!(
    "select count(*), coalesce(sum(h.keys), 0)::int8, coalesce(sum(h.bytes), 0)::int8, \
      coalesce(sum(h.changes - n.trimmed), 0)::int8 from akvs.namespace n ",
    last_change!(),
    " where n.life % 2 = 1"
);
/// Returns the largest namespaces.
pub(crate) const LARGEST: &str = concat!(
    "select n.name, h.keys, h.bytes, h.changes - n.trimmed from akvs.namespace n ",
    last_change!(),
    " where n.life % 2 = 1 order by h.bytes desc nulls last limit $1"
);
/// Returns the size of the tables and their indexes.
pub(crate) const SIZE: &str = "\
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 from pg_class c \
    join pg_namespace s on s.oid = c.relnamespace where s.nspname = 'akvs' and c.relkind = 'r'";
/// Returns entries in the order of their keys, with up to `$6` bytes of their values.
pub(crate) const ENTRIES: &str = "\
    select e.key, e.revision, e.created, e.modified, e.deadline, e.content_type, e.content_encoding, \
      octet_length(e.value), case when octet_length(e.value) <= $6 then e.value end \
    from akvs.entry e where e.ns = $1 and e.life = $2 and e.key >= $3 and ($4::bytea is null or e.key < $4) \
    order by e.key limit $5";
/// Returns the same in reverse order.
pub(crate) const ENTRIES_BACK: &str = "\
    select e.key, e.revision, e.created, e.modified, e.deadline, e.content_type, e.content_encoding, \
      octet_length(e.value), case when octet_length(e.value) <= $6 then e.value end \
    from akvs.entry e where e.ns = $1 and e.life = $2 and e.key >= $3 and ($4::bytea is null or e.key < $4) \
    order by e.key desc limit $5";
/// Returns an entry of a state, with up to `$4` bytes of its value.
pub(crate) const ENTRY: &str = "\
    select e.key, e.revision, e.created, e.modified, e.deadline, e.content_type, e.content_encoding, \
      octet_length(e.value), case when octet_length(e.value) <= $4 then e.value end \
    from akvs.entry e where e.ns = $1 and e.life = $2 and e.key = $3";
/// Returns changes in order.
pub(crate) const CHANGES: &str = "\
    select revision, index, kind, is_last, key, size, created, modified, deadline, content_type, content_encoding, value \
    from akvs.history where ns = $1 and (revision, index) > ($2, $3) order by revision, index limit $4";

pub(crate) const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read read only";

/// Tries to become the node that maintains the database, until the end of the transaction.
pub(crate) const TRY_MAINTENANCE: &str = "select pg_try_advisory_xact_lock($1)";
/// Returns the entries whose deadlines have passed.
pub(crate) const DUE: &str = "\
    select e.ns, e.key, e.deadline from akvs.entry e where e.deadline <= floor(extract(epoch from clock_timestamp()) * 1000)::int8 \
      and e.life = (select n.life from akvs.namespace n where n.ns = e.ns) order by e.deadline, e.ns limit $1";
/// Returns the revision of the change after this number of the oldest changes.
pub(crate) const CUT: &str = "\
    select revision from akvs.history where ns = $1 and revision > $2 order by revision, index offset $3 limit 1";
/// Removes changes.
pub(crate) const TRIM: &str =
    "delete from akvs.history where ns = $1 and revision > $2 and revision < $3";
pub(crate) const COMPACT: &str =
    "update akvs.namespace set compacted = $2, trimmed = trimmed + $3 where ns = $1";
/// Returns what a drop has left.
pub(crate) const GARBAGE: &str = "select ns, life from akvs.garbage order by ns, life limit 1";
/// Removes entries of a dropped namespace, in the order of their keys.
pub(crate) const SWEEP: &str = "\
    delete from akvs.entry where ns = $1 and life = $2 and key <= (select max(s.key) from (select e.key from akvs.entry e \
      where e.ns = $1 and e.life = $2 order by e.key limit $3) s)";
pub(crate) const SWEPT: &str = "delete from akvs.garbage where ns = $1 and life = $2";
