-- Stored objects: immutable, encrypted before the first write, each with its replicas.
create table storage_objects (
  id uuid primary key,
  tenant_id uuid not null,
  -- Whose key encrypts it: a contract, a file, anything with a key of its own.
  scope_id uuid not null,
  class text not null check (class in ('draft', 'signed')),
  size_bytes bigint not null,
  sha256 bytea not null,
  -- Of what lies on the disks: envelope and ciphertext.
  stored_size_bytes bigint not null,
  stored_sha256 bytea not null,
  wrapped_key bytea not null,
  created_at timestamptz not null
);
create index storage_objects_by_scope on storage_objects (scope_id);
create trigger append_only before update or delete or truncate on storage_objects
  for each statement execute function forbid_change();

create table storage_replicas (
  object_id uuid not null references storage_objects (id),
  domain text not null,
  -- Path inside the domain: a journal segment, or the object's own file.
  holder text not null,
  position bigint not null,
  state text not null check (state in ('good', 'bad')),
  written_at timestamptz not null,
  primary key (object_id, domain)
);
create index storage_replicas_bad on storage_replicas (object_id) where state = 'bad';

-- Replicas that are missing or bad and wait to be made (again) from a good one.
create table storage_repairs (
  object_id uuid not null references storage_objects (id),
  domain text not null,
  reason text not null check (reason in ('missing', 'bad')),
  attempts integer not null default 0,
  due_at timestamptz not null,
  created_at timestamptz not null,
  primary key (object_id, domain)
);
create index storage_repairs_due on storage_repairs (due_at);

do $$
declare
  name text;
begin
  foreach name in array array['storage_objects', 'storage_replicas', 'storage_repairs'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    -- Requests add descriptors, also for a contract of another tenant that they sign, and read none: whoever may see
    -- an object knows its id from a row of the room that owns it.
    execute format('create policy app_adds on %I for insert to yinxin_app with check (true)', name);
    execute format('grant insert on %I to yinxin_app', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
end
$$;
grant update on storage_replicas, storage_repairs to yinxin_worker;
grant delete on storage_repairs to yinxin_worker;
