-- The act of signing: intended before anything is signed, done in the transaction that makes it true.
-- One row per actor: an actor signs once, and a second act cannot begin beside a living one.
create table sign_act (
  task_id uuid not null,
  actor_id uuid not null,
  tenant_id uuid not null,
  -- Changes with every attempt; the attempt that still owns the row may finish it.
  attempt_id uuid not null,
  attempts integer not null default 1,
  -- The process that makes the attempt: it knows which of its own attempts still live.
  holder uuid not null,
  status text not null check (status in ('intended', 'done', 'failed')),
  free_sign boolean not null,
  intended_at timestamptz not null,
  -- An intended act older than this was left by a process that died, and may be taken over.
  lease_until timestamptz not null,
  -- What the act consented to: documents with revision hashes, way of willingness.
  intent jsonb not null,
  certificate_serial text,
  certificate bytea,
  failure text,
  result jsonb,
  done_at timestamptz,
  primary key (task_id, actor_id)
);

alter table sign_act enable row level security;
alter table sign_act force row level security;
create policy worker_rows on sign_act to yinxin_worker using (true) with check (true);
grant select, insert, update on sign_act to yinxin_worker;

-- What is done stays done.
create function forbid_changing_done_act() returns trigger
  language plpgsql as $$
begin
  if old.status = 'done' then
    raise exception 'a finished act of signing does not change' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;
create trigger done_is_final before update or delete on sign_act
  for each row execute function forbid_changing_done_act();
