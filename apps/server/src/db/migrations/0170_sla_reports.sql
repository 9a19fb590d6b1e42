-- The monthly report of the service level, as signed and entered in the log. A month that is revised gets a new one.
create table sla_report (
  id uuid primary key,
  month text not null check (month ~ '^\d{4}-\d{2}$'),
  revision integer not null check (revision > 0),
  created_at timestamptz not null,
  verdict text not null check (verdict in ('met', 'not_met', 'no_service_period')),
  -- Revisions of the services that it tells of, so that it is known when there are newer ones.
  basis text not null,
  -- The report as JSON, byte for byte what is downloaded and what stands as a leaf in the log.
  entry bytea not null,
  sha256 bytea not null check (length(sha256) = 32),
  unique (month, revision),
  unique (month, basis)
);

-- The sealed page, made once the leaf has a place in the log.
create table sla_report_pdf (
  report_id uuid primary key references sla_report (id),
  made_at timestamptz not null,
  pdf bytea not null
);

do $$
declare
  name text;
begin
  foreach name in array array['sla_report', 'sla_report_pdf'] loop
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function forbid_change()', name);
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
end
$$;
