-- Imports that arrive over HTTP: parts first, then work on them as a whole.
create table import_job (
  id uuid primary key,
  tenant_id uuid not null,
  status text not null check (status in ('receiving', 'queued', 'working', 'done', 'failed', 'canceled', 'expired', 'voided')),
  -- Who asked, as in export_job.
  requested_by jsonb not null,
  file_name text not null,
  size_bytes bigint not null check (size_bytes > 0),
  part_bytes bigint not null check (part_bytes > 0),
  -- {"intoOther":…,"members":…,"trustPem":[…],"logKeys":[…]}
  options jsonb not null,
  progress jsonb,
  report jsonb,
  -- Why it failed: {"code":…,"zh":…,"en":…}
  problem jsonb,
  created_at timestamptz not null,
  ended_at timestamptz,
  -- When what arrived is destroyed, should nobody start the import.
  expires_at timestamptz not null
);
create index import_job_by_tenant on import_job (tenant_id, id desc);
-- One at a time for each tenant.
create unique index import_job_single on import_job (tenant_id) where status in ('receiving', 'queued', 'working');

create table import_part (
  import_id uuid not null references import_job (id),
  number integer not null check (number >= 1),
  tenant_id uuid not null,
  size_bytes bigint not null,
  sha256 text not null,
  object_id uuid not null,
  primary key (import_id, number)
);

-- The record of actions of another installation: read only, and never part of the one that is kept here.
create table imported_history (
  -- Also the scope of the key that its objects are sealed under.
  id uuid primary key,
  tenant_id uuid not null,
  export_id uuid not null,
  source_tenant_id uuid not null,
  source_tenant_name text not null,
  origin text not null,
  snapshot_at timestamptz not null,
  manifest_sha256 text not null,
  records integer not null,
  -- audit.jsonl as it came, and the list, manifest, log proof and timestamp that bind it.
  audit_object uuid not null,
  audit_sha256 text not null,
  proof_object uuid not null,
  imported_at timestamptz not null,
  unique (tenant_id, export_id)
);
create trigger append_only before update or truncate on imported_history
  for each statement execute function forbid_change();

do $$
declare
  name text;
begin
  foreach name in array array['import_job', 'import_part', 'imported_history'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('create policy app_rows on %I for select to yinxin_app using (tenant_id = app_subject())', name);
    execute format('grant select, insert, update, delete on %I to yinxin_worker', name);
    execute format('grant select on %I to yinxin_app', name);
  end loop;
end
$$;

-- Contracts that came with an import: this installation vouches for none of their bytes.
alter table sign_task add column adopted boolean not null default false;
alter table sign_task no force row level security;
alter table imported_contract no force row level security;
update sign_task set adopted = true where id in (select task_id from imported_contract);
alter table imported_contract force row level security;
alter table sign_task force row level security;
