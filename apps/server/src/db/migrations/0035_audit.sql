-- Who did what to what, for the tenant it happened in. Rows are only ever added.
create table audit_record (
  id uuid primary key,
  tenant_id uuid not null,
  at timestamptz not null,
  caller_kind text not null check (caller_kind in ('session', 'app', 'system', 'public')),
  -- Person behind a session, appId of an app, name of a background duty; null for the public.
  caller_id text,
  session_id uuid,
  action text not null,
  subject_kind text not null,
  subject_id text not null,
  data jsonb not null
);
create index audit_record_by_subject on audit_record (tenant_id, subject_kind, subject_id, id);
create index audit_record_by_time on audit_record (tenant_id, id);

alter table audit_record enable row level security;
alter table audit_record force row level security;
create policy app_rows on audit_record to yinxin_app
  using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy worker_rows on audit_record to yinxin_worker using (true) with check (true);
grant select, insert on audit_record to yinxin_app, yinxin_worker;

create trigger audit_record_row_kept before update or delete on audit_record
  for each row execute function forbid_change();
create trigger audit_record_table_kept before truncate on audit_record
  for each statement execute function forbid_change();
