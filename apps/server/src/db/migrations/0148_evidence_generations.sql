-- A log that was restored to an earlier moment goes on under a new name: each row says from where, what had been
-- published beyond it, and why. The same stands in the log itself, as the leaf at `first_size`.
create table log_generation (
  generation integer primary key check (generation > 1),
  -- Leaves that it inherits from the generations before it.
  first_size bigint not null unique check (first_size >= 0),
  -- Checkpoint of what was inherited; null when nothing was.
  inherited text,
  -- The newest checkpoint that was found published, of a log that stands here no more.
  published text not null,
  reason text not null check (reason <> ''),
  declared_at timestamptz not null,
  entry bytea not null
);

create trigger append_only before update or delete or truncate on log_generation
  for each statement execute function forbid_change();
alter table log_generation enable row level security;
alter table log_generation force row level security;
create policy worker_rows on log_generation to yinxin_worker using (true) with check (true);
grant select, insert on log_generation to yinxin_worker;
