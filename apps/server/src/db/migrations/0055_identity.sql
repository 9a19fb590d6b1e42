-- Identity checks as they were answered, and one-time codes that prove the will to sign.
create table identity_check (
  id uuid primary key,
  -- The person checked; for a company, the person that asked, until there is a company.
  tenant_id uuid not null,
  kind text not null check (kind in ('person', 'corp')),
  method text not null,
  provider text not null,
  simulated boolean not null,
  result text not null check (result in ('passed', 'failed')),
  -- The provider's own number of the check, and why it failed in its words.
  reference text not null,
  reason text,
  -- Keyed hash of what was claimed: repeated checks show without keeping the claims.
  claims_hash bytea not null,
  created_at timestamptz not null
);
create index identity_check_by_tenant on identity_check (tenant_id, created_at);

create table willingness_code (
  id uuid primary key,
  -- In whose affairs: the subject that signs.
  tenant_id uuid not null,
  purpose text not null,
  -- What the code is for, e.g. one actor of one task: it opens nothing else.
  actor_key text not null,
  code_hash bytea not null,
  tries int not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index willingness_code_by_actor on willingness_code (purpose, actor_key, created_at);

alter table identity_check enable row level security;
alter table identity_check force row level security;
create policy app_rows on identity_check for select to yinxin_app using (tenant_id = app_subject());
create policy worker_rows on identity_check to yinxin_worker using (true) with check (true);
grant select on identity_check to yinxin_app;
grant select, insert on identity_check to yinxin_worker;
create trigger identity_check_row_kept before update or delete on identity_check
  for each row execute function forbid_change();
create trigger identity_check_table_kept before truncate on identity_check
  for each statement execute function forbid_change();

alter table willingness_code enable row level security;
alter table willingness_code force row level security;
create policy worker_rows on willingness_code to yinxin_worker using (true) with check (true);
grant select, insert, update, delete on willingness_code to yinxin_worker;
