-- What the promise of availability (SLA 3.8) is judged by. Rows are only ever added: a figure that turns out wrong is
-- followed by a correction and a new revision, and both stay.

-- One flush of one process: it lived through these minutes. (source, seq) makes a repeated flush harmless.
create table sla_flush (
  source_id uuid not null,
  seq integer not null check (seq > 0),
  from_minute integer not null,
  -- The minute after its last.
  to_minute integer not null check (to_minute > from_minute),
  received_at timestamptz not null,
  clock_offset_ms double precision not null,
  -- The clock of the process was too far off to say which minute it was.
  rejected boolean not null,
  primary key (source_id, seq)
);
create index sla_flush_by_minute on sla_flush (from_minute, to_minute);

-- Requests by the minute in which they were received. Several rows of one minute add up.
create table sla_count (
  source_id uuid not null,
  seq integer not null,
  service text not null check (service in ('frontend', 'backend', 'upload', 'signing', 'certificate')),
  minute integer not null,
  -- The nil UUID where nobody was logged in.
  tenant_id uuid not null,
  ok integer not null check (ok >= 0),
  errors integer not null check (errors >= 0),
  slow integer not null check (slow >= 0),
  broken integer not null check (broken >= 0),
  excluded integer not null check (excluded >= 0),
  received_at timestamptz not null,
  late boolean not null,
  rejected boolean not null,
  primary key (source_id, seq, service, minute, tenant_id),
  foreign key (source_id, seq) references sla_flush (source_id, seq)
);
create index sla_count_by_minute on sla_count (service, minute);
create index sla_count_by_tenant on sla_count (tenant_id, service, minute);

-- One step of a synthetic transaction, as its probe reports it.
create table sla_probe (
  id uuid primary key,
  app_id text not null,
  tenant_id uuid not null,
  -- False for a customer's own probe: shown beside ours and never mixed with it.
  official boolean not null,
  vantage text not null,
  service text not null check (service in ('frontend', 'backend', 'upload', 'signing', 'certificate')),
  minute integer not null,
  ok boolean not null,
  latency_ms integer not null check (latency_ms >= 0),
  detail text,
  received_at timestamptz not null,
  late boolean not null,
  rejected boolean not null
);
create index sla_probe_by_minute on sla_probe (service, minute);

-- Planned work. Only what was announced a day before counts, and only for as long as it was announced.
create table sla_maintenance (
  id uuid primary key,
  services text[] not null check (
    cardinality(services) > 0
    and services <@ array['frontend', 'backend', 'upload', 'signing', 'certificate']
  ),
  from_minute integer not null,
  to_minute integer not null check (to_minute > from_minute),
  text_zh text not null,
  text_en text not null,
  announced_by text not null,
  announced_at timestamptz not null,
  check (to_timestamp(from_minute::bigint * 60) - announced_at >= interval '24 hours')
);

-- From that minute on the window is none.
create table sla_maintenance_withdrawal (
  maintenance_id uuid primary key references sla_maintenance (id),
  from_minute integer not null,
  withdrawn_by text not null,
  withdrawn_at timestamptz not null
);

-- What was counted is replaced in the next revision, with evidence that anybody may ask for.
create table sla_correction (
  id uuid primary key,
  service text not null check (service in ('frontend', 'backend', 'upload', 'signing', 'certificate')),
  from_minute integer not null,
  to_minute integer not null check (to_minute > from_minute),
  -- Of every minute in it.
  valid integer not null check (valid >= 0),
  ok integer not null check (ok between 0 and valid),
  reason text not null check (reason <> ''),
  evidence text not null check (evidence <> ''),
  made_by text not null,
  made_at timestamptz not null
);

-- The figures of a month as they were closed, and every later revision.
create table sla_revision (
  month text not null check (month ~ '^\d{4}-\d{2}$'),
  service text not null check (service in ('frontend', 'backend', 'upload', 'signing', 'certificate')),
  revision integer not null check (revision > 0),
  reason text not null check (reason <> ''),
  made_by text not null,
  made_at timestamptz not null,
  -- The published minutes, gzipped, and the note that signs them.
  minutes_gz bytea not null,
  note text not null,
  verdict jsonb not null,
  primary key (month, service, revision)
);

create function sla_revision_follows() returns trigger
  language plpgsql as $$
begin
  if new.revision <> 1 + coalesce(
    (select max(revision) from sla_revision where month = new.month and service = new.service), 0)
  then
    raise exception 'revision % of % % does not follow the last', new.revision, new.month, new.service
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;
create trigger sla_revision_follows before insert on sla_revision
  for each row execute function sla_revision_follows();
grant execute on function sla_revision_follows() to yinxin_worker;

do $$
declare
  name text;
begin
  foreach name in array array[
    'sla_flush', 'sla_count', 'sla_probe', 'sla_maintenance', 'sla_maintenance_withdrawal', 'sla_correction',
    'sla_revision'
  ] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
    execute format(
      'create trigger %I before update or delete or truncate on %I for each statement execute function forbid_change()',
      name || '_kept', name);
  end loop;
end
$$;
