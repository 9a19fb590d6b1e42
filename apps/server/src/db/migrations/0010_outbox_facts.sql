-- Facts that rooms publish, written with the change they tell of, and who has dealt with them.
create table outbox_facts (
  id uuid primary key,
  type text not null,
  tenant_id uuid not null,
  subject_key text not null,
  at timestamptz not null,
  payload jsonb not null
);
alter table outbox_facts enable row level security;
alter table outbox_facts force row level security;
create policy app_rows on outbox_facts to yinxin_app
  using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy worker_rows on outbox_facts to yinxin_worker using (true) with check (true);
grant select, insert on outbox_facts to yinxin_app, yinxin_worker;
create trigger append_only before update or delete on outbox_facts
  for each row execute function forbid_change();
create trigger no_truncate before truncate on outbox_facts
  for each statement execute function forbid_change();

create table outbox_deliveries (
  fact_id uuid not null references outbox_facts,
  subscriber text not null,
  at timestamptz not null,
  primary key (fact_id, subscriber)
);
alter table outbox_deliveries enable row level security;
alter table outbox_deliveries force row level security;
create policy worker_rows on outbox_deliveries to yinxin_worker using (true) with check (true);
grant select, insert on outbox_deliveries to yinxin_worker;
