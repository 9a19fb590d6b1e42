-- Incidents (SLA 3.10): what happened, how grave, whom it touched, who did what when, and what was learnt.

create table incident (
  id uuid primary key,
  -- Counted from 1, for people.
  number integer not null unique check (number > 0),
  class text not null check (class in ('general', 'severe')),
  class_reasons text[] not null,
  -- Set when an operator decided the class; figures change it no more.
  class_by text,
  title_zh text not null,
  title_en text not null,
  services text[] not null check (services <@ array['frontend', 'backend', 'upload', 'signing', 'certificate']),
  integrity boolean not null,
  -- Whether the status page tells of it.
  published boolean not null,
  opened_by text not null,
  began_at timestamptz not null,
  detected_at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz,
  -- The post-mortem is written.
  closed_at timestamptz,
  closed_by text,
  bad_minutes integer not null default 0,
  affected_tenants integer not null default 0,
  active_tenants integer not null default 0,
  measured_at timestamptz,
  check (resolved_at is null or resolved_at >= began_at),
  check (closed_at is null or resolved_at is not null)
);
create index incident_open on incident (began_at) where resolved_at is null;

create table incident_alert (
  alert_id uuid primary key references monitoring_alert (id),
  incident_id uuid not null references incident (id),
  rule text not null,
  resolved_at timestamptz
);
create index incident_alert_by_incident on incident_alert (incident_id);

-- The timeline; what was written stays.
create table incident_note (
  id uuid primary key,
  incident_id uuid not null references incident (id),
  at timestamptz not null,
  kind text not null check (
    kind in ('opened', 'alert', 'acknowledged', 'escalated', 'update', 'classified', 'cleared', 'resolved', 'cause',
      'action', 'lesson', 'closed')),
  by text not null,
  text_zh text not null,
  text_en text not null,
  -- For the status page too.
  public boolean not null
);
create index incident_note_by_incident on incident_note (incident_id, at);

-- Requests that failed while it lasted, by tenant, from the meter; computed anew while it lasts.
create table incident_tenant (
  incident_id uuid not null references incident (id),
  tenant_id uuid not null,
  service text not null,
  valid bigint not null,
  failed bigint not null check (failed > 0),
  primary key (incident_id, tenant_id, service)
);
create index incident_tenant_by_tenant on incident_tenant (tenant_id);

do $$
declare
  name text;
begin
  foreach name in array array['incident', 'incident_alert', 'incident_note', 'incident_tenant'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
  execute 'grant update on incident, incident_alert to yinxin_worker';
  execute 'grant delete on incident_tenant to yinxin_worker';
  execute 'create trigger incident_note_kept before update or delete or truncate on incident_note
    for each statement execute function forbid_change()';
end
$$;
