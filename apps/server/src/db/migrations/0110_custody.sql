-- Custody: hourly looks at where everything lies, and the durability reports made of them. Both are only added to.

create table custody_sample (
  at timestamptz primary key,
  -- What the hours below count from: the look before.
  since timestamptz not null check (since <= at),
  objects bigint not null,
  object_hours double precision not null,
  one_site_hours double precision not null,
  -- How long the good replica that waited longest had not been read and verified; null without replicas.
  unverified_hours double precision,
  -- Per site: devices, w and n.
  sites jsonb not null,
  -- Devices in service times the hours since the look before.
  device_hours double precision not null,
  -- Complete copies of the key store; null where they cannot be seen.
  key_copies jsonb
);

create table custody_report (
  id uuid primary key,
  -- A month of the calendar in Asia/Shanghai.
  month text not null check (month ~ '^\d{4}-\d{2}$'),
  -- Corrections are new revisions; a report is never edited.
  revision integer not null check (revision > 0),
  created_at timestamptz not null,
  verdict text not null check (verdict in ('met', 'not_met')),
  -- The report as JSON, byte for byte what is downloaded and what stands as a leaf in the log.
  entry bytea not null,
  sha256 bytea not null check (length(sha256) = 32),
  unique (month, revision)
);

-- The signed page of a report, made once its leaf has a place in the log.
create table custody_report_pdf (
  report_id uuid primary key references custody_report (id),
  made_at timestamptz not null,
  pdf bytea not null
);

do $$
declare
  name text;
begin
  foreach name in array array['custody_sample', 'custody_report', 'custody_report_pdf'] loop
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function forbid_change()', name);
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
end
$$;

-- What a subject owns, for its summary of copies.
create index storage_objects_by_tenant on storage_objects (tenant_id);
