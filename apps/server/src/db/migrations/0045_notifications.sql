-- Messages to people. The content is sealed by kms, because it carries codes, links and contract titles.
create table notification (
  id uuid primary key,
  -- In whose affairs it is sent; null for log-in codes, which belong to nobody yet.
  tenant_id uuid,
  channel text not null check (channel in ('mail', 'sms')),
  address text not null,
  template text not null,
  lang text not null check (lang in ('zh', 'en')),
  purpose text not null,
  -- Null once a message with a code went out through a real channel.
  content_sealed bytea,
  status text not null check (status in ('queued', 'sent', 'failed')),
  carrier text,
  simulated boolean not null default false,
  carrier_reference text,
  attempts int not null default 0,
  last_problem text,
  created_at timestamptz not null,
  sent_at timestamptz
);
create index notification_by_address on notification (address, id);
create index notification_by_time on notification (id);

alter table notification enable row level security;
alter table notification force row level security;
-- Requests may queue a message for their own subject and never read one: a code is for its receiver alone.
create policy app_rows on notification for insert to yinxin_app with check (tenant_id = app_subject());
create policy worker_rows on notification to yinxin_worker using (true) with check (true);
grant insert on notification to yinxin_app;
grant select, insert, update on notification to yinxin_worker;
