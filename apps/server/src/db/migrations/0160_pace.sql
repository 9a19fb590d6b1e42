-- How often somebody did something lately, counted over all processes. Unlogged: it stands in no log, copy or
-- backup, and after a crash everybody begins anew. Keys are hashes; known to the worker role alone.
create unlogged table call_pace (
  key bytea primary key,
  calls integer not null,
  until timestamptz not null
);
create index call_pace_until on call_pace (until);
alter table call_pace enable row level security;
alter table call_pace force row level security;
create policy worker_rows on call_pace to yinxin_worker using (true) with check (true);
grant select, insert, update, delete on call_pace to yinxin_worker;
