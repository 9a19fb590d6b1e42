-- Alerts of the operator (SLA 3.10): what is wrong now, who was told, who answered. Nothing here belongs to a tenant.

create table monitoring_alert (
  id uuid primary key,
  -- The rule and what it is about; at most one of a key is open.
  key text not null,
  rule text not null,
  severity text not null check (severity in ('P1', 'P2', 'P3')),
  service text check (service in ('frontend', 'backend', 'upload', 'signing', 'certificate')),
  subject text,
  -- pending: true, but not for long enough yet.
  state text not null check (state in ('pending', 'firing', 'resolved')),
  detail_zh text not null,
  detail_en text not null,
  began_at timestamptz not null,
  opened_at timestamptz,
  last_seen_at timestamptz not null,
  -- Not true any more since then; it may come back.
  clear_since timestamptz,
  resolved_at timestamptz,
  -- How often it came back before it was resolved.
  flaps integer not null default 0,
  -- Null as long as a silence holds it back.
  notified_at timestamptz,
  level integer not null default 0 check (level between 0 and 2),
  escalate_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  -- Of the link with which it is acknowledged: a hash to find it by, the token sealed to word messages with.
  ack_hash bytea not null,
  ack_sealed bytea not null
);
create unique index monitoring_alert_open on monitoring_alert (key) where state <> 'resolved';
create index monitoring_alert_by_time on monitoring_alert (opened_at);
create unique index monitoring_alert_by_ack on monitoring_alert (ack_hash);

-- What goes out at once over one channel to one place: several alerts where a channel is grouped. Also its receipt.
create table monitoring_message (
  id uuid primary key,
  channel text not null check (channel in ('dingtalk', 'sms', 'mail', 'webhook')),
  -- Number of a robot, a mail address, a mobile number; empty for the webhook.
  target text not null,
  group_key text not null,
  state text not null check (state in ('sending', 'waiting', 'sent', 'failed', 'uncertain')),
  attempts integer not null default 0,
  claimed_at timestamptz not null,
  next_at timestamptz,
  sent_at timestamptz,
  receipt text,
  problem text
);
create index monitoring_message_open on monitoring_message (channel, claimed_at) where state in ('sending', 'waiting');
create index monitoring_message_pace on monitoring_message (channel, claimed_at);

-- That somebody is to be told of something, once.
create table monitoring_delivery (
  id uuid primary key,
  alert_id uuid not null references monitoring_alert (id),
  event text not null check (event in ('firing', 'escalated', 'resolved')),
  level integer not null,
  channel text not null check (channel in ('dingtalk', 'sms', 'mail', 'webhook')),
  recipient text not null,
  lang text not null check (lang in ('zh', 'en')),
  -- Mobile numbers that a robot calls by name.
  mentions text[] not null default '{}',
  due_at timestamptz not null,
  message_id uuid references monitoring_message (id),
  created_at timestamptz not null,
  unique (alert_id, event, level, channel, recipient)
);
create index monitoring_delivery_due on monitoring_delivery (due_at) where message_id is null;

-- How each channel, each robot and the heartbeat does.
create table monitoring_channel (
  name text primary key,
  failing_since timestamptz,
  failures integer not null default 0,
  problem text,
  ok_at timestamptz,
  -- A robot that said "too many" rests until then.
  blocked_until timestamptz
);

create table monitoring_shift (
  id uuid primary key,
  person text not null check (person <> ''),
  role text not null check (role in ('primary', 'secondary', 'manager')),
  mobile text,
  mail text,
  lang text not null check (lang in ('zh', 'en')),
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at),
  added_by text not null,
  added_at timestamptz not null,
  removed_at timestamptz,
  removed_by text,
  check (mobile is not null or mail is not null)
);
create index monitoring_shift_by_time on monitoring_shift (from_at, to_at);

-- Only within announced maintenance, and only as long as that stands.
create table monitoring_silence (
  id uuid primary key,
  maintenance_id uuid not null references sla_maintenance (id),
  -- Null for every rule.
  rule text,
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at),
  reason text not null check (reason <> ''),
  made_by text not null check (made_by <> ''),
  made_at timestamptz not null,
  ended_at timestamptz
);

-- The last minute that was judged; whoever judges the next one locks this row.
create table monitoring_evaluation (
  "only" boolean primary key default true check ("only"),
  minute integer not null,
  at timestamptz not null
);

do $$
declare
  name text;
begin
  foreach name in array array[
    'monitoring_alert', 'monitoring_message', 'monitoring_delivery', 'monitoring_channel', 'monitoring_shift',
    'monitoring_silence', 'monitoring_evaluation'
  ] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert, update on %I to yinxin_worker', name);
  end loop;
  -- What was never told is forgotten; everything else stays.
  execute 'create policy worker_forgets on monitoring_alert as restrictive for delete to yinxin_worker using (state = ''pending'')';
  execute 'grant delete on monitoring_alert to yinxin_worker';
end
$$;
