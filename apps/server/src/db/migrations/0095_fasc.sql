-- The FASC 5.1 compatible API: tokens, and the names under which its clients know what other rooms own.
create table fasc_token (
  app_id text primary key references app (app_id),
  tenant_id uuid not null,
  token_hash bytea not null,
  -- Sealed and not only hashed, because the same token is given again while it holds.
  token_sealed bytea not null,
  expires_at timestamptz not null
);

create table fasc_nonce (
  app_id text not null,
  nonce text not null,
  expires_at timestamptz not null,
  primary key (app_id, nonce)
);
create index fasc_nonce_expiry on fasc_nonce (expires_at);

-- A file on its way: announced, received, then taken over by documents.
create table fasc_upload (
  id uuid primary key,
  tenant_id uuid not null,
  app_id text not null,
  -- Null for a file that the platform fetched itself.
  token_hash bytea unique,
  state text not null check (state in ('waiting', 'receiving', 'received')),
  object_id uuid references storage_objects (id),
  file_id uuid,
  file_name text,
  created_at timestamptz not null,
  -- Until then content may be put.
  expires_at timestamptz not null,
  check ((state = 'received') = (object_id is not null))
);

-- Clients hold the id of a seal as a number, so it must fit a double exactly.
create table fasc_seal (
  seal_no bigint generated always as identity (start with 100000001 maxvalue 9007199254740991) primary key,
  seal_id uuid not null unique,
  tenant_id uuid not null
);

create table fasc_task (
  task_id uuid primary key references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  app_id text not null,
  -- An address for this task alone.
  callback_url text,
  -- What the client gave to get back: its business number and the like.
  echo jsonb not null
);

create table fasc_field (
  task_id uuid not null references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  doc_ref text not null,
  field_id text not null,
  field_name text not null,
  field_type text not null check (field_type in ('corp_seal', 'person_sign', 'date_sign')),
  page integer not null,
  -- Points from the upper left corner to the upper left corner.
  x double precision not null,
  y double precision not null,
  width double precision not null,
  height double precision not null,
  -- Null until an actor is bound to it.
  actor_ref text,
  seal_no bigint,
  primary key (task_id, doc_ref, field_id)
);

do $$
declare
  name text;
begin
  foreach name in array array['fasc_token', 'fasc_nonce', 'fasc_upload', 'fasc_seal', 'fasc_task', 'fasc_field'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
  end loop;
  foreach name in array array['fasc_upload', 'fasc_seal', 'fasc_task', 'fasc_field'] loop
    execute format('create policy app_rows on %I to yinxin_app
      using (tenant_id = app_subject()) with check (tenant_id = app_subject())', name);
  end loop;
end
$$;
grant select, insert, update on fasc_token to yinxin_worker;
grant select, insert, delete on fasc_nonce to yinxin_worker;
grant select, insert, update on fasc_upload to yinxin_app, yinxin_worker;
grant select, insert on fasc_seal to yinxin_app, yinxin_worker;
grant select, insert on fasc_task to yinxin_app;
grant select on fasc_task to yinxin_worker;
grant select, insert, update on fasc_field to yinxin_app;
