-- Sign tasks. tenant_id is the initiator everywhere; the other parties see a task through task_party.
create table sign_task (
  id uuid primary key,
  tenant_id uuid not null,
  initiator_name text not null,
  title text not null,
  status text not null check (status in ('draft', 'signing', 'finished', 'rejected', 'canceled', 'expired')),
  ordered boolean not null,
  deadline timestamptz,
  reference text,
  end_reason text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz
);
create index sign_task_tenant on sign_task (tenant_id, id desc);
create index sign_task_deadline on sign_task (deadline) where status = 'signing';

-- Who may see a task: the initiator from the first moment, the others from its start.
create table task_party (
  task_id uuid not null references sign_task (id) on delete cascade,
  subject_id uuid not null,
  tenant_id uuid not null,
  primary key (task_id, subject_id)
);
create index task_party_subject on task_party (subject_id, task_id desc);

create table task_document (
  id uuid primary key,
  task_id uuid not null references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  ref text not null,
  name text not null,
  position integer not null,
  file_id uuid not null,
  page_count integer not null,
  pages jsonb not null,
  revision integer not null default 0,
  sha256 text not null,
  size_bytes bigint not null,
  unique (task_id, ref)
);
create index task_document_task on task_document (task_id, position);

-- The frozen base (revision 0) and one delta per signature; a revision is the concatenation up to it.
create table task_document_segment (
  document_id uuid not null references task_document (id),
  revision integer not null check (revision >= 0),
  tenant_id uuid not null,
  task_id uuid not null,
  object_id uuid not null,
  segment_bytes bigint not null,
  -- Of the whole revision, not of the segment.
  size_bytes bigint not null,
  sha256 text not null,
  created_at timestamptz not null,
  primary key (document_id, revision)
);
create index task_document_segment_sha on task_document_segment (sha256);

create table task_actor (
  id uuid primary key,
  task_id uuid not null references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  ref text not null,
  position integer not null,
  kind text not null check (kind in ('person', 'corp')),
  role text not null check (role in ('sign', 'cc')),
  name text not null,
  subject_id uuid,
  -- The natural person who acts: the signer, or who acts for the company (经办人).
  person_id uuid,
  mobile text,
  email text,
  sign_order integer not null check (sign_order >= 1),
  status text not null
    check (status in ('waiting', 'ready', 'viewed', 'signing', 'signed', 'rejected', 'notified')),
  seal_id uuid,
  free_sign_business_id text,
  signed_at timestamptz,
  certificate_serial text,
  reject_reason text,
  unique (task_id, ref)
);
create index task_actor_task on task_actor (task_id, position);

create table task_field (
  id uuid primary key,
  task_id uuid not null references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  document_id uuid not null references task_document (id) on delete cascade,
  actor_id uuid not null references task_actor (id) on delete cascade,
  kind text not null check (kind in ('seal', 'signature', 'date')),
  -- Points from the upper left corner of the page as displayed; page counts from 1.
  page integer not null,
  x double precision not null,
  y double precision not null,
  width double precision not null,
  height double precision not null
);
create index task_field_task on task_field (task_id);

-- A link locates an actor's ceremony and opens nothing. Only its hash is kept.
create table task_link (
  token_hash bytea primary key,
  task_id uuid not null references sign_task (id) on delete cascade,
  tenant_id uuid not null,
  actor_id uuid not null references task_actor (id) on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

create table task_urge (
  task_id uuid not null references sign_task (id),
  tenant_id uuid not null,
  at timestamptz not null,
  primary key (task_id, at)
);

-- One row per finished contract: what billing counts, exactly once.
create table usage_event (
  task_id uuid not null,
  type text not null,
  tenant_id uuid not null,
  occurred_at timestamptz not null,
  quantity integer not null,
  primary key (task_id, type)
);
create trigger append_only before update or delete or truncate on usage_event
  for each statement execute function forbid_change();
create trigger append_only before update or delete or truncate on task_document_segment
  for each statement execute function forbid_change();

do $$
declare
  name text;
begin
  foreach name in array array['sign_task', 'task_party', 'task_document', 'task_document_segment', 'task_actor',
    'task_field', 'task_link', 'task_urge', 'usage_event'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('create policy app_rows on %I to yinxin_app
      using (tenant_id = app_subject()) with check (tenant_id = app_subject())', name);
  end loop;
end
$$;

-- The other parties read; what they change goes through the worker role after the code has checked who they are.
create policy own_rows on task_party for select to yinxin_app using (subject_id = app_subject());
create policy party_rows on sign_task for select to yinxin_app
  using (exists (select 1 from task_party p where p.task_id = sign_task.id and p.subject_id = app_subject()));
do $$
declare
  name text;
begin
  foreach name in array array['task_document', 'task_document_segment', 'task_actor', 'task_field', 'task_event',
    'task_event_disclosure'] loop
    execute format('create policy party_rows on %1$I for select to yinxin_app
      using (exists (select 1 from task_party p where p.task_id = %1$I.task_id and p.subject_id = app_subject()))',
      name);
  end loop;
end
$$;

grant select, insert, update on sign_task, task_document, task_actor to yinxin_app, yinxin_worker;
grant select, insert on task_party, task_document_segment, task_field, task_link, task_urge, usage_event
  to yinxin_app, yinxin_worker;
-- A draft can be thrown away; what was started cannot (no delete policy beyond the owner's, see the trigger).
grant delete on sign_task, task_party, task_document, task_actor, task_field, task_link to yinxin_app;

create function forbid_deleting_started_task() returns trigger
  language plpgsql as $$
begin
  if old.status <> 'draft' then
    raise exception 'a started sign task is not deleted' using errcode = 'insufficient_privilege';
  end if;
  return old;
end
$$;
create trigger only_drafts_go before delete on sign_task
  for each row execute function forbid_deleting_started_task();
