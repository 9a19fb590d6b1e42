-- What restore drills found: each restores both databases from the archive, opens a sample and measures.
create table restore_drills (
  id uuid primary key,
  begun_at timestamptz not null,
  ended_at timestamptz not null,
  ok boolean not null,
  -- What a loss of every running copy would have cost at that moment, and how long the way back took.
  rpo_ms bigint,
  rto_ms bigint,
  report jsonb not null
);
create index restore_drills_by_time on restore_drills (begun_at desc);
alter table restore_drills enable row level security;
alter table restore_drills force row level security;
create policy worker_rows on restore_drills to yinxin_worker using (true) with check (true);
grant select, insert on restore_drills to yinxin_worker;
create trigger append_only before update or delete on restore_drills for each row execute function forbid_change();
create trigger no_truncate before truncate on restore_drills execute function forbid_change();
