-- Uploaded files that passed inspection, ready to be put into sign tasks. A file never changes.
create table file (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null,
  object_id uuid not null references storage_objects (id),
  size_bytes bigint not null,
  sha256 text not null,
  page_count int not null,
  -- [{"widthPt":…,"heightPt":…}, …] as displayed.
  pages jsonb not null,
  -- Signatures the file already carried.
  signature_count int not null,
  created_at timestamptz not null
);
create index file_by_tenant on file (tenant_id, id);

alter table file enable row level security;
alter table file force row level security;
create policy app_rows on file to yinxin_app using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy worker_rows on file to yinxin_worker using (true) with check (true);
grant select, insert on file to yinxin_app, yinxin_worker;
