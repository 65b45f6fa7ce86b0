-- The tables of an AKVS database. Times are milliseconds since 1970. Columns go from wide to narrow, so that rows have no
-- padding.
create schema if not exists akvs;

-- One row: the version of this schema, and the identity of the database.
create table akvs.store (
  is_only boolean primary key default true check (is_only),
  format int4 not null,
  id uuid not null default gen_random_uuid(),
  purged int8 not null default 0  -- the highest revision of a namespace whose history was purged
);

-- The number of each name. A number outlives a drop, so that revisions and history continue, and is never used again.
create sequence akvs.numbers;
create table akvs.name (
  name text collate "C" primary key,
  ns int8 not null
);

-- The row that each write of a namespace locks. Few writes change it.
create table akvs.namespace (
  ns int8 primary key,
  name text collate "C" not null,
  created int8 not null default 0,
  compacted int8 not null default 0,  -- changes after this revision are in the history
  trimmed int8 not null default 0,    -- the number of changes that were removed from the history
  token int8 not null default 0,      -- of the newest commit that has changed this row and nothing in the history
  ttl_ms int8,
  max_value_bytes int8,
  max_keys int8,
  max_bytes int8,
  life int4 not null default 0        -- incremented by each creation and drop: odd while the namespace exists
) with (fillfactor = 50);

create table akvs.entry (
  ns int8 not null,
  revision int8 not null,
  created int8 not null,
  modified int8 not null,
  deadline int8,
  life int4 not null,
  key bytea not null,
  content_type text,
  content_encoding text,
  value bytea not null,
  primary key (ns, life, key)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
-- Lengths and ranges are read without decompressing values.
alter table akvs.entry alter value set storage external, alter key set storage plain;
create index entry_deadline on akvs.entry (deadline, ns) where deadline is not null;

-- The changes, and with the last one of each commit what the namespace holds after it: no counter is updated, which
-- would leave an outdated row for each commit.
create table akvs.history (
  ns int8 not null,
  revision int8 not null,
  token int8 not null,    -- of the commit, so that a lost answer can be found out
  size int8,              -- the length of the value
  created int8,
  modified int8 not null,
  deadline int8,
  keys int8,
  bytes int8,
  changes int8,           -- the number of changes there ever were
  index int2 not null,
  kind "char" not null,   -- s: set, d: deleted, x: expired, D: the namespace was dropped
  is_last boolean not null,
  key bytea,
  content_type text,
  content_encoding text,
  value bytea,            -- up to 1 KiB
  primary key (ns, revision, index)
) with (autovacuum_vacuum_insert_scale_factor = 0.5);
alter table akvs.history alter value set storage plain, alter key set storage plain;

-- The entries of dropped namespaces, which are removed in steps.
create table akvs.garbage (ns int8 not null, life int4 not null, primary key (ns, life));
