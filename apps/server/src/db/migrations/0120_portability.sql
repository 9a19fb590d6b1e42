-- Data that can leave, and what came from elsewhere.
create table export_job (
  id uuid primary key,
  tenant_id uuid not null,
  status text not null check (status in ('queued', 'collecting', 'ready', 'failed', 'canceled', 'expired', 'voided')),
  -- Who asked: {"kind":"session","personId":…}, {"kind":"app","appId":…} or {"kind":"system","duty":…}.
  requested_by jsonb not null,
  lang text not null check (lang in ('zh', 'en')),
  -- Only what changed since then; null for everything.
  since timestamptz,
  snapshot_at timestamptz,
  counts jsonb,
  part_bytes bigint not null,
  size_bytes bigint not null default 0,
  entry_count integer not null default 0,
  manifest_sha256 text,
  problem text,
  -- The customer's own bucket: {"endpoint":…,"region":…,"bucket":…,"pathStyle":…,"key":…}; how to enter it is sealed
  -- and forgotten after use.
  bucket jsonb,
  bucket_secret_sealed bytea,
  upload_id text,
  delivered_at timestamptz,
  announced_at timestamptz,
  created_at timestamptz not null,
  ready_at timestamptz,
  expires_at timestamptz
);
create index export_job_by_tenant on export_job (tenant_id, id desc);
create index export_job_expiry on export_job (expires_at) where status = 'ready';
-- One at a time for each tenant: two would only be slower.
create unique index export_job_single on export_job (tenant_id) where status in ('queued', 'collecting');

-- What the snapshot found, in the order in which it is written; the checkpoint of the work.
create table export_item (
  export_id uuid not null references export_job (id),
  position integer not null,
  tenant_id uuid not null,
  kind text not null check (kind in ('file', 'contract')),
  subject_id uuid not null,
  detail jsonb not null,
  state text not null check (state in ('waiting', 'done', 'gone')),
  primary key (export_id, position)
);
create index export_item_subject on export_item (subject_id);

-- The archive is not stored: an entry is its head, which follows from path and size, and pieces of storage objects.
create table export_entry (
  export_id uuid not null references export_job (id),
  position integer not null,
  tenant_id uuid not null,
  archive_offset bigint not null,
  path text not null,
  role text not null,
  size_bytes bigint not null,
  sha256 text not null,
  sm3 text not null,
  -- [{"objectId":…,"sizeBytes":…,"partyId":…,"generated":true}, …]
  pieces jsonb not null,
  primary key (export_id, position),
  unique (export_id, path)
);
create index export_entry_by_offset on export_entry (export_id, archive_offset);

create table export_part (
  export_id uuid not null references export_job (id),
  number integer not null check (number >= 1),
  tenant_id uuid not null,
  size_bytes bigint not null,
  sha256 text not null,
  -- Of the customer's bucket, once it is there.
  etag text,
  primary key (export_id, number)
);

-- Programs that may export, as an administrator allowed.
create table export_right (
  app_id text primary key,
  tenant_id uuid not null,
  granted_by uuid not null,
  granted_at timestamptz not null
);

-- Contracts that were signed on another installation: their evidence is of its log, and stays so.
create table imported_contract (
  task_id uuid primary key,
  tenant_id uuid not null,
  origin text not null,
  log_keys text[] not null,
  source_tenant_id uuid not null,
  source_tenant_name text not null,
  export_id uuid not null,
  manifest_sha256 text not null,
  package_sha256 text not null,
  -- The evidence package without its documents, as it came.
  evidence_object_id uuid not null,
  imported_at timestamptz not null
);
create index imported_contract_by_tenant on imported_contract (tenant_id);
create trigger append_only before update or truncate on imported_contract
  for each statement execute function forbid_change();

do $$
declare
  name text;
begin
  foreach name in array array['export_job', 'export_item', 'export_entry', 'export_part', 'export_right',
    'imported_contract'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('create policy app_rows on %I for select to yinxin_app using (tenant_id = app_subject())', name);
    execute format('grant select, insert, update, delete on %I to yinxin_worker', name);
    execute format('grant select on %I to yinxin_app', name);
  end loop;
end
$$;
