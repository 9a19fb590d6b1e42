-- The certification authority's register. Everything here is only ever added.

-- The authority's own certificates; an installation keeps the ones it began with.
create table ca_certificates (
  name text primary key check (name in ('root', 'issuing', 'tsa', 'platform')),
  certificate bytea not null,
  development boolean not null,
  created_at timestamptz not null
);

-- Written before the authority's key is used: no certificate can exist that the register does not know of.
create table certificate_intents (
  serial text primary key check (serial ~ '^[0-9a-f]{32}$'),
  act_id uuid not null,
  task_id uuid not null,
  tenant_id uuid not null,
  subject text not null,
  spki_sha256 bytea not null,
  intended_at timestamptz not null
);
create index certificate_intents_by_task on certificate_intents (task_id);

create table certificates_issued (
  serial text primary key references certificate_intents (serial),
  certificate bytea not null,
  issued_at timestamptz not null
);

create table certificate_revocations (
  serial text primary key references certificate_intents (serial),
  reason text not null check (reason in ('unspecified', 'keyCompromise', 'affiliationChanged', 'superseded',
    'cessationOfOperation', 'privilegeWithdrawn')),
  revoked_at timestamptz not null
);

create table ca_crls (
  number bigint primary key check (number > 0),
  crl bytea not null,
  -- How many revocations it lists; with more in the register, the next list is due.
  revoked_count integer not null,
  this_update timestamptz not null,
  next_update timestamptz not null
);

do $$
declare
  name text;
begin
  foreach name in array array['ca_certificates', 'certificate_intents', 'certificates_issued',
    'certificate_revocations', 'ca_crls'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function forbid_change()', name);
  end loop;
end
$$;
