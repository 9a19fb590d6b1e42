-- Callbacks to the programs of companies: what is to be told, and every attempt to tell it.
create table webhook_app (
  app_id text primary key references app (app_id),
  tenant_id uuid not null,
  -- How this program wants to be told: Standard Webhooks, or as FASC clients expect it.
  style text not null check (style in ('standard', 'fasc')),
  updated_at timestamptz not null
);

create table webhook_event (
  id uuid primary key,
  tenant_id uuid not null,
  app_id text not null references app (app_id),
  url text not null,
  -- Whose address it is: the app's, or one that was given with a task and stays when the app's changes.
  url_of text not null check (url_of in ('app', 'task')),
  style text not null check (style in ('standard', 'fasc')),
  event text not null,
  payload jsonb not null,
  -- One fact makes one callback per app, however often it is heard of.
  dedup_key text not null,
  status text not null check (status in ('waiting', 'delivered', 'failed')),
  attempts integer not null default 0,
  next_at timestamptz,
  created_at timestamptz not null,
  delivered_at timestamptz,
  unique (app_id, dedup_key)
);
create index webhook_event_tenant on webhook_event (tenant_id, id desc);
create index webhook_event_app on webhook_event (app_id, created_at, id);

create table webhook_attempt (
  id uuid primary key,
  event_id uuid not null references webhook_event (id),
  tenant_id uuid not null,
  at timestamptz not null,
  duration_ms integer not null,
  -- Null when no answer came; then `problem` says why.
  status integer,
  problem text,
  response_head text
);
create index webhook_attempt_event on webhook_attempt (event_id, id);
create trigger append_only before update or delete or truncate on webhook_attempt
  for each statement execute function forbid_change();

do $$
declare
  name text;
begin
  foreach name in array array['webhook_app', 'webhook_event', 'webhook_attempt'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('create policy app_rows on %I to yinxin_app
      using (tenant_id = app_subject()) with check (tenant_id = app_subject())', name);
  end loop;
end
$$;
grant select, insert, update on webhook_app, webhook_event to yinxin_worker;
grant select, insert on webhook_attempt to yinxin_worker;
grant select on webhook_app, webhook_attempt to yinxin_app;
grant select, update on webhook_event to yinxin_app;
