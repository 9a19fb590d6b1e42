-- The hash chain of each task. `entry` is the canonical JSON that is hashed and becomes a leaf of the log.
create table task_event (
  task_id uuid not null,
  seq integer not null check (seq >= 0),
  tenant_id uuid not null,
  type text not null,
  at timestamptz not null,
  entry text not null,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  primary key (task_id, seq)
);

-- Openings of the salted commitments in events. Kept apart from the append-only chain, so that the personal
-- values can be destroyed with a contract while chain and log stay whole.
create table task_event_disclosure (
  task_id uuid not null,
  seq integer not null,
  path text not null,
  tenant_id uuid not null,
  salt text not null,
  value text not null,
  primary key (task_id, seq, path),
  foreign key (task_id, seq) references task_event (task_id, seq)
);

-- Entries waiting for their place in the log; the integrator moves them to log_leaf.
create table log_queue (
  id bigint generated always as identity primary key,
  task_id uuid not null,
  -- Number of the event; null for the leaf that an issued package adds.
  seq integer,
  entry bytea not null
);

create table log_leaf (
  log_index bigint primary key check (log_index >= 0),
  task_id uuid not null,
  seq integer,
  entry bytea not null,
  unique (task_id, seq)
);

-- Complete subtrees of the Merkle tree (RFC 6962); they never change once their leaves exist.
create table log_node (
  level smallint not null,
  node_index bigint not null,
  hash bytea not null check (length(hash) = 32),
  primary key (level, node_index)
);

create table log_checkpoint (
  size bigint primary key check (size > 0),
  root bytea not null check (length(root) = 32),
  note text not null,
  at timestamptz not null
);

-- RFC 3161 token over SHA-256 of the checkpoint's note.
create table log_checkpoint_timestamp (
  size bigint primary key references log_checkpoint (size),
  token bytea not null,
  gen_time timestamptz not null,
  authority text not null
);

do $$
declare
  name text;
begin
  foreach name in array array['task_event', 'log_leaf', 'log_node', 'log_checkpoint', 'log_checkpoint_timestamp'] loop
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function forbid_change()', name);
  end loop;
  foreach name in array array['task_event', 'task_event_disclosure', 'log_queue', 'log_leaf', 'log_node',
    'log_checkpoint', 'log_checkpoint_timestamp'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
  end loop;
end
$$;

create policy app_rows on task_event to yinxin_app
  using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy app_rows on task_event_disclosure to yinxin_app
  using (tenant_id = app_subject()) with check (tenant_id = app_subject());
-- A leaf is public by nature; requests may add one and read none.
create policy app_adds on log_queue for insert to yinxin_app with check (true);

grant select, insert on task_event, task_event_disclosure to yinxin_app, yinxin_worker;
grant insert on log_queue to yinxin_app;
grant select, insert, delete on log_queue to yinxin_worker;
grant select, insert on log_leaf, log_node, log_checkpoint, log_checkpoint_timestamp to yinxin_worker;
