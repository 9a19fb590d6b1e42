-- Custody: destruction, scrubs, inventories, findings, quarantine. What happened is append-only; what is to be done
-- or was seen last is not.

-- The object is destroyed for ever; its replicas are removed afterwards.
create table storage_destructions (
  object_id uuid primary key references storage_objects (id),
  at timestamptz not null,
  reason text not null
);
create trigger append_only before update or delete or truncate on storage_destructions
  for each statement execute function forbid_change();

-- One row per destroyed object and failure domain; the proof once `removed_at` is set.
create table storage_removals (
  object_id uuid not null references storage_destructions (object_id),
  domain text not null,
  attempts integer not null default 0,
  due_at timestamptz not null,
  removed_at timestamptz,
  method text check (method in ('overwritten', 'deleted', 'absent')),
  primary key (object_id, domain)
);
create index storage_removals_due on storage_removals (due_at) where removed_at is null;

-- From being noticed to being durable again.
create table storage_repair_times (
  id bigint generated always as identity primary key,
  object_id uuid not null,
  domain text not null,
  reason text not null check (reason in ('missing', 'bad')),
  detected_at timestamptz not null,
  repaired_at timestamptz not null
);
create index storage_repair_times_by_end on storage_repair_times (repaired_at);

-- What the last scrub found, per replica.
create table storage_scrubs (
  domain text not null,
  object_id uuid not null,
  verified_at timestamptz not null,
  verdict text not null check (verdict in ('good', 'damaged', 'missing', 'unreadable')),
  primary key (object_id, domain)
);

create table storage_scrub_passes (
  domain text not null,
  started_at timestamptz not null,
  cursor uuid,
  finished_at timestamptz,
  checked bigint not null,
  bad bigint not null,
  bytes bigint not null,
  primary key (domain, started_at)
);

-- Walks over a whole domain; absence is proven by one that began later.
create table storage_inventories (
  domain text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  replicas bigint not null,
  primary key (domain, started_at)
);

-- Bytes that no row refers to: kept for thirty days, then removed.
create table storage_orphans (
  domain text not null,
  object_id uuid not null,
  holder text not null,
  position bigint not null,
  size_bytes bigint not null,
  found_at timestamptz not null,
  primary key (domain, object_id)
);

create table storage_findings (
  class text not null check (class in ('a_object_lost', 'b_without_row', 'c_destroyed_but_there',
    'd_too_few_replicas', 'e_key_missing', 'f_destroyed_but_key')),
  subject_id uuid not null,
  domain text not null,
  severity text not null check (severity in ('critical', 'failure', 'warning')),
  detail text not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  primary key (class, subject_id, domain, first_seen_at)
);
create unique index storage_findings_open on storage_findings (class, subject_id, domain) where resolved_at is null;

-- Domains after a failed fsync, kept outside of the disk that failed.
create table storage_quarantines (
  domain text not null,
  since timestamptz not null,
  reason text not null,
  readmitted_at timestamptz,
  primary key (domain, since)
);
create unique index storage_quarantines_open on storage_quarantines (domain) where readmitted_at is null;

create index storage_replicas_by_domain on storage_replicas (domain, object_id);

do $$
declare
  name text;
begin
  foreach name in array array['storage_destructions', 'storage_removals', 'storage_repair_times', 'storage_scrubs',
    'storage_scrub_passes', 'storage_inventories', 'storage_orphans', 'storage_findings', 'storage_quarantines'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
  -- A request may destroy what it was allowed to see; it cannot undo or read any of it.
  foreach name in array array['storage_destructions', 'storage_removals'] loop
    execute format('create policy app_adds on %I for insert to yinxin_app with check (true)', name);
    execute format('grant insert on %I to yinxin_app', name);
  end loop;
end
$$;
grant update on storage_removals, storage_scrubs, storage_scrub_passes, storage_orphans, storage_findings,
  storage_quarantines to yinxin_worker;
grant delete on storage_replicas, storage_repair_times, storage_scrubs, storage_scrub_passes, storage_inventories,
  storage_orphans to yinxin_worker;
