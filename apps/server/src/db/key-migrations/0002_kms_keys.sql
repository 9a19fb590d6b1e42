-- Keys at rest. Every value here is wrapped; what opens them is in the key folder and never in a database.

-- One row: a data key for small secrets, wrapped by the root key. That it opens proves the right root key.
create table key_store (
  only_row boolean primary key default true check (only_row),
  secrets_key bytea not null,
  created_at timestamptz not null
);

create table signing_keys (
  name text primary key,
  key_id text not null unique,
  algorithm text not null,
  spki bytea not null,
  wrapped bytea not null,
  created_at timestamptz not null
);

create table tenant_keys (
  tenant_id uuid primary key,
  epoch integer not null,
  wrapped bytea not null,
  created_at timestamptz not null
);

-- Wrapped by the tenant key and, around that, by the epoch key: once an epoch's key is destroyed, a row from an
-- old backup is dead even while the tenant key lives on.
create table scope_keys (
  scope_id uuid primary key,
  tenant_id uuid not null references tenant_keys (tenant_id),
  epoch integer not null,
  wrapped bytea not null,
  created_at timestamptz not null
);
create index scope_keys_by_epoch on scope_keys (epoch);
create index scope_keys_by_tenant on scope_keys (tenant_id);

do $$
declare
  name text;
begin
  foreach name in array array['key_store', 'signing_keys', 'tenant_keys', 'scope_keys'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
end
$$;
