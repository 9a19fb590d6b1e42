-- One wrap of a contract's key per party, epochs and roots that can be rotated and destroyed, tombstones.

-- Every version of the root and of the epoch keys that ever was. The keys themselves are with the driver (key folder,
-- token, key service); `wrapped` is an epoch's working key, wrapped by the epoch key and dead once that is destroyed.
create table key_versions (
  family text not null check (family in ('root', 'epoch')),
  version integer not null check (version > 0),
  driver text not null,
  wrapped bytea,
  created_at timestamptz not null,
  retired_at timestamptz,
  closed_at timestamptz,
  destroy_after timestamptz,
  destroyed_at timestamptz,
  receipt text,
  primary key (family, version)
);

-- What rows may still hang on. A foreign key proves the count: an epoch leaves this table only when no row is under
-- it, and afterwards no late writer can put one there.
create table open_epochs (epoch integer primary key);
create table open_roots (version integer primary key);

-- The owner of the tables is under their policies too and would see no row of them: not while rows are taken over.
alter table key_store no force row level security;
alter table scope_keys no force row level security;

-- Key stores from before know one root and one epoch, both in the key folder.
insert into key_versions (family, version, driver, created_at)
select family, 1, 'file', created_at from key_store, (values ('root'), ('epoch')) as f (family);
insert into open_epochs select 1 from key_store;
insert into open_roots select 1 from key_store;

alter table key_store add column root_version integer not null default 1 references open_roots (version);
alter table key_store alter column root_version drop default;
alter table signing_keys add column root_version integer not null default 1 references open_roots (version);
alter table signing_keys alter column root_version drop default;

-- A tenant whose key was destroyed keeps its row without a key, so that it never gets a second one.
alter table tenant_keys add column destroyed_at timestamptz;
alter table tenant_keys alter column wrapped drop not null;
alter table tenant_keys alter column epoch drop not null;
alter table tenant_keys add foreign key (epoch) references open_epochs (epoch);
alter table tenant_keys add constraint key_or_destroyed check (
  (wrapped is null) = (destroyed_at is not null) and (epoch is null) = (destroyed_at is not null)
);
create index tenant_keys_by_epoch on tenant_keys (epoch);

-- Wrapped by the party's tenant key and, around that, by the epoch's working key.
create table scope_key_wraps (
  scope_id uuid not null,
  party_id uuid not null references tenant_keys (tenant_id),
  epoch integer not null references open_epochs (epoch),
  wrapped bytea not null,
  created_at timestamptz not null,
  primary key (scope_id, party_id)
);
insert into scope_key_wraps (scope_id, party_id, epoch, wrapped, created_at)
select scope_id, tenant_id, epoch, wrapped, created_at from scope_keys;
create index scope_key_wraps_by_epoch on scope_key_wraps (epoch);
create index scope_key_wraps_by_party on scope_key_wraps (party_id);

-- The register of contract keys: no key bytes, and a row for ever, so that a destroyed key is never made anew.
alter table scope_keys drop column epoch, drop column wrapped;
alter table scope_keys add column key_id uuid not null default gen_random_uuid();
alter table scope_keys alter column key_id drop default;
alter table scope_keys add column destroyed_at timestamptz;
alter table scope_key_wraps add foreign key (scope_id) references scope_keys (scope_id);

alter table key_store force row level security;
alter table scope_keys force row level security;

-- What was destroyed, when, and the receipt that was given. Append-only; `scope_id` is null for a whole tenant.
create table key_tombstones (
  id uuid primary key,
  scope_id uuid references scope_keys (scope_id),
  party_id uuid not null,
  key_id uuid,
  epoch integer not null,
  at timestamptz not null,
  receipt text not null,
  receipt_sha256 text not null
);
create unique index key_tombstones_of_scopes on key_tombstones (scope_id, party_id) where scope_id is not null;
create unique index key_tombstones_of_tenants on key_tombstones (party_id) where scope_id is null;

create function refuse_key_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on key_tombstones
  for each statement execute function refuse_key_change();

-- A destroyed key stays destroyed, whatever a program asks for.
create function refuse_key_return() returns trigger language plpgsql as $$
begin
  if old.destroyed_at is not null then
    raise exception 'a destroyed key stays destroyed' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger stays_destroyed before update on scope_keys for each row execute function refuse_key_return();
create trigger stays_destroyed before update on tenant_keys for each row execute function refuse_key_return();
create trigger stays_destroyed before update on key_versions for each row execute function refuse_key_return();

-- No wrap for a key, or for a party of it, that has a tombstone. Once per statement: contracts come by the hundred.
create function refuse_dead_wrap() returns trigger language plpgsql as $$
begin
  if exists (
    select 1 from new_wraps n
    where exists (select 1 from key_tombstones t where t.scope_id = n.scope_id and t.party_id = n.party_id)
      or exists (select 1 from scope_keys s where s.scope_id = n.scope_id and s.destroyed_at is not null)
  ) then
    raise exception 'the access to this key was destroyed' using errcode = 'restrict_violation';
  end if;
  return null;
end
$$;
create trigger never_again after insert on scope_key_wraps referencing new table as new_wraps
  for each statement execute function refuse_dead_wrap();

-- Raised with every destruction, by the same commit: how other processes learn that what they keep may be dead.
create table key_destructions (only_row boolean primary key default true check (only_row), n bigint not null);
insert into key_destructions (n) values (0);

do $$
declare
  name text;
begin
  foreach name in array array['key_versions', 'open_epochs', 'open_roots', 'scope_key_wraps', 'key_tombstones',
    'key_destructions'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
end
$$;
-- The trigger functions run as whoever writes, so the worker's own rights are enough for them.
grant update (wrapped, retired_at, closed_at, destroy_after, destroyed_at, receipt) on key_versions to yinxin_worker;
grant update (n) on key_destructions to yinxin_worker;
grant delete on open_epochs, open_roots to yinxin_worker;
grant update (secrets_key, root_version) on key_store to yinxin_worker;
grant update (wrapped, root_version) on signing_keys to yinxin_worker;
grant update (wrapped, epoch, destroyed_at) on tenant_keys to yinxin_worker;
grant update (destroyed_at) on scope_keys to yinxin_worker;
grant update (epoch, wrapped), delete on scope_key_wraps to yinxin_worker;
