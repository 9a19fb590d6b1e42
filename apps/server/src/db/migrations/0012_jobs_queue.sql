--! login
-- The job queue (graphile-worker) keeps its tables in a schema of its own, owned by yinxin_queue; requests and
-- background work reach it through this one function, inside their own transaction.
do $$
begin
  set local role yinxin_queue;
  set local role none;
exception when insufficient_privilege then
  execute format('grant yinxin_queue to %I', session_user);
end
$$;
create schema if not exists graphile_worker authorization yinxin_queue;
grant usage, create on schema public to yinxin_queue;

set local role yinxin_queue;

create function enqueue_job(kind text, payload json, key text, run_at timestamptz, max_attempts integer)
  returns void
  language plpgsql security definer set search_path = graphile_worker, pg_temp as $$
begin
  perform graphile_worker.add_job(
    identifier => kind,
    payload => payload,
    run_at => run_at,
    max_attempts => max_attempts,
    job_key => key
  );
end
$$;
revoke execute on function enqueue_job(text, json, text, timestamptz, integer) from public;
grant execute on function enqueue_job(text, json, text, timestamptz, integer) to yinxin_app, yinxin_worker;

-- Which worker belongs to which living process. A process holds an advisory lock as long as it lives, so that
-- jobs of a killed one are taken over at once instead of after hours.
create table job_workers (
  worker_id text primary key,
  runner_key integer not null,
  at timestamptz not null default now()
);
alter table job_workers enable row level security;
alter table job_workers force row level security;
create policy queue_rows on job_workers to yinxin_queue using (true) with check (true);

set local role none;
revoke create on schema public from yinxin_queue;
alter table job_workers owner to yinxin_owner;
grant select, insert, delete on job_workers to yinxin_queue;
