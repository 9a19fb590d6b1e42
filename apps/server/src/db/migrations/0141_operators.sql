-- Who operates the platform: each by a key of its own. Rows stay, so that every name in the record keeps its meaning.
create table operator (
  id uuid primary key,
  name text not null unique check (name <> ''),
  -- SHA-256 of the key.
  key_sha256 bytea not null unique check (octet_length(key_sha256) = 32),
  -- Null: by the token of the data folder alone.
  added_by uuid references operator (id),
  added_at timestamptz not null,
  -- From when on its word counts as that of a second person.
  counts_from timestamptz not null check (counts_from >= added_at),
  vouched_by uuid references operator (id),
  revoked_by uuid references operator (id),
  revoked_at timestamptz,
  check (vouched_by is distinct from id),
  check (vouched_by is null or added_by is null or vouched_by <> added_by)
);

-- What takes two: one proposes, another confirms before it expires.
create table operator_proposal (
  id uuid primary key,
  command text not null,
  options jsonb not null,
  proposed_by uuid not null references operator (id),
  proposed_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > proposed_at),
  outcome text check (outcome in ('confirmed', 'withdrawn')),
  decided_by uuid references operator (id),
  decided_at timestamptz,
  check ((outcome is null) = (decided_at is null) and (outcome is null) = (decided_by is null)),
  check (outcome is distinct from 'confirmed' or decided_by <> proposed_by),
  check (outcome is distinct from 'confirmed' or decided_at <= expires_at)
);

do $$
declare
  name text;
begin
  foreach name in array array['operator', 'operator_proposal'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
  end loop;
end
$$;
grant select, insert on operator, operator_proposal to yinxin_worker;
grant update (counts_from, vouched_by, revoked_by, revoked_at) on operator to yinxin_worker;
grant update (outcome, decided_by, decided_at) on operator_proposal to yinxin_worker;

-- What operators do stands in the record like everything else. What concerns nobody in particular belongs to nobody.
alter table audit_record drop constraint audit_record_caller_kind_check;
alter table audit_record add constraint audit_record_caller_kind_check
  check (caller_kind in ('session', 'app', 'system', 'public', 'operator'));
