-- Destruction of contracts: requests and their states, certificates, legal holds, ends of service, retired media.
create table destruction (
  id uuid primary key,
  task_id uuid not null,
  -- The party that asked.
  tenant_id uuid not null,
  person_id uuid,
  basis text not null check (basis in ('own', 'term-end', 'consent')),
  -- What is destroyed: this party's access, or the contract.
  extent text not null check (extent in ('access', 'contract')),
  state text not null check (state in ('REQUESTED', 'CONSENT_PENDING', 'APPROVED', 'COOLING_OFF', 'HOLD_CHECK',
    'SHREDDING', 'VERIFYING', 'DESTROYED_PROVISIONAL', 'DESTROYED_FINAL', 'REJECTED', 'CANCELLED', 'BLOCKED_BY_HOLD')),
  requested_at timestamptz not null,
  approved_at timestamptz,
  -- When it may begin, and the time that was promised; both can only lie in the future when they are set.
  due_at timestamptz,
  promised_at timestamptz,
  agreement_task_id uuid,
  agreement_sha256 text,
  shredded_at timestamptz,
  provisional_at timestamptz,
  final_at timestamptz,
  ended_at timestamptz,
  -- What was found and done, step by step: receipts, objects, verification. Free of content.
  record jsonb not null default '{}',
  attempts integer not null default 0,
  problem text,
  updated_at timestamptz not null
);
create index destruction_task on destruction (task_id, id);
create index destruction_open on destruction (due_at) where state in ('APPROVED', 'COOLING_OFF', 'HOLD_CHECK', 'SHREDDING',
  'VERIFYING', 'DESTROYED_PROVISIONAL');
create unique index destruction_agreement on destruction (agreement_task_id) where agreement_task_id is not null;
-- One living request per party and contract.
create unique index destruction_living on destruction (task_id, tenant_id) where state not in ('REJECTED', 'CANCELLED',
  'BLOCKED_BY_HOLD', 'DESTROYED_PROVISIONAL', 'DESTROYED_FINAL');

create table destruction_certificate (
  destruction_id uuid not null references destruction (id),
  stage text not null check (stage in ('provisional', 'final')),
  number text not null unique,
  tenant_id uuid not null,
  task_id uuid not null,
  -- Canonical JSON; its digest stands in the log.
  certificate text not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  entry text not null,
  timestamp_token bytea,
  proof text,
  pdf bytea,
  made_at timestamptz not null,
  primary key (destruction_id, stage)
);

create table legal_hold (
  id uuid primary key,
  task_id uuid not null,
  basis text not null check (basis in ('court', 'regulator', 'dispute')),
  reference text not null,
  placed_by text not null,
  placed_at timestamptz not null,
  -- In force from the first word on; the second person confirms it, and releasing takes two as well.
  confirmed_by text,
  confirmed_at timestamptz,
  release_asked_by text,
  release_asked_at timestamptz,
  released_by text,
  released_at timestamptz,
  check (confirmed_by is null or confirmed_by <> placed_by),
  check (released_by is null or (release_asked_by is not null and released_by <> release_asked_by)),
  check ((released_by is null) = (released_at is null))
);
create index legal_hold_active on legal_hold (task_id) where released_at is null;

create table service_term (
  tenant_id uuid primary key,
  ended_at timestamptz not null,
  recorded_by text not null,
  recorded_at timestamptz not null
);

create table retired_medium (
  id uuid primary key,
  device text not null,
  serial text not null unique,
  domain text,
  method text not null,
  standard text not null,
  proof_name text not null,
  proof_sha256 text not null check (proof_sha256 ~ '^[0-9a-f]{64}$'),
  retired_at timestamptz not null,
  done_by text not null,
  witnessed_by text not null,
  recorded_at timestamptz not null,
  check (witnessed_by <> done_by)
);
create trigger append_only before update or delete or truncate on retired_medium
  for each statement execute function forbid_change();

do $$
declare
  name text;
begin
  foreach name in array array['destruction', 'destruction_certificate', 'legal_hold', 'service_term', 'retired_medium'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
  end loop;
end
$$;
-- Everybody sees what it asked for; of what others asked for, only what concerns the contract as a whole.
create policy app_rows on destruction for select to yinxin_app using (tenant_id = app_subject() or (extent = 'contract'
  and exists (select 1 from task_party p where p.task_id = destruction.task_id and p.subject_id = app_subject())));
create policy app_rows on destruction_certificate for select to yinxin_app using (exists (select 1 from destruction d
  where d.id = destruction_certificate.destruction_id));
create policy app_rows on legal_hold for select to yinxin_app using (exists (select 1 from task_party p
  where p.task_id = legal_hold.task_id and p.subject_id = app_subject()));
create policy app_rows on service_term for select to yinxin_app using (tenant_id = app_subject());
-- The register of media says nothing of anybody.
create policy app_rows on retired_medium for select to yinxin_app using (true);
grant select on destruction, destruction_certificate, legal_hold, service_term, retired_medium to yinxin_app;
grant select, insert, update on destruction, destruction_certificate, legal_hold, service_term to yinxin_worker;
grant select, insert on retired_medium to yinxin_worker;

-- The database itself refuses to destroy what is held, whatever the code above it believes.
create policy owner_reads on legal_hold for select to yinxin_owner using (true);
create policy owner_reads on storage_objects for select to yinxin_owner using (true);
create policy owner_reads on task_document for select to yinxin_owner using (true);
create function is_held(task uuid) returns boolean language sql stable security definer set search_path = public
  return exists (select 1 from legal_hold h where h.task_id = task and h.released_at is null);
create function refuse_destroying_held_task() returns trigger language plpgsql as $$
begin
  if new.state = 'SHREDDING' and old.state <> 'SHREDDING' and is_held(new.task_id) then
    raise exception 'a legal hold is active on this contract' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger held_tasks_stay before update on destruction
  for each row execute function refuse_destroying_held_task();
create function refuse_destroying_held_object() returns trigger language plpgsql security definer
  set search_path = public as $$
begin
  if exists (select 1 from storage_objects o join legal_hold h on h.released_at is null
      and (h.task_id = o.scope_id or exists (select 1 from task_document d where d.task_id = h.task_id and d.file_id = o.scope_id))
      where o.id = new.object_id) then
    raise exception 'a legal hold is active on this content' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger held_objects_stay before insert on storage_destructions
  for each row execute function refuse_destroying_held_object();
create function refuse_ending_held_access() returns trigger language plpgsql as $$
begin
  if new.access_destroyed_at is not null and old.access_destroyed_at is null and is_held(new.task_id) then
    raise exception 'a legal hold is active on this contract' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger held_access_stays before update on task_party
  for each row execute function refuse_ending_held_access();
grant execute on function is_held(uuid), refuse_destroying_held_task(), refuse_destroying_held_object(),
  refuse_ending_held_access() to yinxin_app, yinxin_worker;
