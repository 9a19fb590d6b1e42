-- Identity checks under way or failed: each is counted before the provider is asked, so that guesses sent at once
-- are counted too. A check that passed, or that got no answer, is taken out again.
create table identity_attempt (
  id uuid primary key,
  tenant_id uuid not null,
  created_at timestamptz not null
);
create index identity_attempt_by_tenant on identity_attempt (tenant_id, created_at);
alter table identity_attempt enable row level security;
alter table identity_attempt force row level security;
create policy worker_rows on identity_attempt to yinxin_worker using (true) with check (true);
grant select, insert, delete on identity_attempt to yinxin_worker;
