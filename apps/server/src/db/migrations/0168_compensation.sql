-- What a company is owed for service it did not get (SLA 3.14). Amounts are whole fen.

-- What was signed with a company; twice its amount is the most that is paid under it.
create table compensation_agreement (
  id uuid primary key,
  tenant_id uuid not null,
  number text not null check (number <> ''),
  amount_fen bigint not null check (amount_fen >= 0),
  from_at timestamptz not null,
  until_at timestamptz check (until_at > from_at),
  proposed_by uuid not null references operator (id),
  confirmed_by uuid not null references operator (id),
  made_at timestamptz not null,
  unique (tenant_id, number),
  check (proposed_by <> confirmed_by)
);

-- Why minutes without service were what they were. What excludes them takes evidence and two people.
create table compensation_cause (
  id uuid primary key,
  services text[] not null check (
    cardinality(services) > 0
    and services <@ array['frontend', 'backend', 'upload', 'signing', 'certificate']
  ),
  from_minute integer not null,
  to_minute integer not null check (to_minute > from_minute),
  cause text not null check (cause in ('announced_maintenance', 'outside_network', 'carrier', 'attack', 'force_majeure',
    'bank', 'third_party', 'customer', 'not_platform', 'platform', 'unknown')),
  evidence text[] not null,
  -- One company alone, where the cause was its own; null for everybody.
  tenant_id uuid,
  incident_number integer,
  proposed_by uuid not null references operator (id),
  confirmed_by uuid references operator (id),
  decided_at timestamptz not null,
  check (confirmed_by <> proposed_by),
  check (cause in ('platform', 'unknown') or (confirmed_by is not null and cardinality(evidence) > 0)),
  check (cause <> 'customer' or tenant_id is not null)
);
create index compensation_cause_by_minute on compensation_cause (from_minute, to_minute);

create table compensation_claim (
  id uuid primary key,
  tenant_id uuid not null,
  month text not null check (month ~ '^\d{4}-\d{2}$'),
  origin text not null check (origin in ('platform', 'company')),
  state text not null check (state in ('drafted', 'submitted', 'in_review', 'proof_wanted', 'offered', 'refused',
    'appealed', 'accepted', 'settled', 'withdrawn')),
  agreement_id uuid references compensation_agreement (id),
  -- Minutes without service, as [{"service":…,"from":…,"to":…}], and operations that failed in them.
  down jsonb not null,
  failures jsonb not null,
  measured_at timestamptz not null,
  -- Of the offer that stands; what is awarded here lessens what is left for others under the agreement.
  loss_fen bigint check (loss_fen >= 0),
  limit_fen bigint check (limit_fen >= 0),
  award_fen bigint check (award_fen > 0),
  created_at timestamptz not null,
  changed_at timestamptz not null,
  check (state not in ('offered', 'accepted', 'settled') or (award_fen is not null and agreement_id is not null)),
  check (state not in ('refused', 'withdrawn') or award_fen is null)
);
create unique index compensation_claim_single on compensation_claim (tenant_id, month) where state <> 'withdrawn';
create index compensation_claim_by_agreement on compensation_claim (agreement_id) where award_fen is not null;
create index compensation_claim_by_tenant on compensation_claim (tenant_id, id desc);

create table compensation_item (
  id uuid primary key,
  claim_id uuid not null references compensation_claim (id),
  tenant_id uuid not null,
  description text not null check (description <> ''),
  claimed_fen bigint not null check (claimed_fen > 0),
  -- Of the failed operation; null for a loss of the whole downtime.
  minute integer,
  verified_fen bigint check (verified_fen between 0 and claimed_fen),
  direct boolean,
  verified_note text,
  added_at timestamptz not null
);
create index compensation_item_by_claim on compensation_item (claim_id);

-- A file that shows a loss; its content is encrypted under the company's key.
create table compensation_proof (
  id uuid primary key,
  item_id uuid not null references compensation_item (id) on delete cascade,
  tenant_id uuid not null,
  object_id uuid not null,
  name text not null,
  media_type text not null check (media_type in ('application/pdf', 'image/png', 'image/jpeg')),
  size_bytes bigint not null,
  sha256 text not null,
  added_at timestamptz not null
);
create index compensation_proof_by_item on compensation_proof (item_id);

-- Every step of a claim, with what was said.
create table compensation_step (
  id uuid primary key,
  claim_id uuid not null references compensation_claim (id),
  tenant_id uuid not null,
  at timestamptz not null,
  action text not null,
  state text not null,
  by_kind text not null check (by_kind in ('company', 'platform')),
  -- Operators who stand for it; two for what takes two.
  operator_ids uuid[] not null,
  words text,
  data jsonb not null
);
create index compensation_step_by_claim on compensation_step (claim_id, id);

-- What is to be paid; the ledger posts it.
create table compensation_settlement (
  claim_id uuid primary key references compensation_claim (id),
  tenant_id uuid not null,
  agreement_id uuid not null references compensation_agreement (id),
  payable_fen bigint not null check (payable_fen > 0),
  method text not null check (method in ('cash', 'credit')),
  reference text not null,
  proposed_by uuid not null references operator (id),
  confirmed_by uuid not null references operator (id),
  settled_at timestamptz not null,
  check (proposed_by <> confirmed_by)
);

-- Months for which claims were drafted, by the revisions of their figures.
create table compensation_month (
  month text not null,
  revisions integer not null,
  drafted_at timestamptz not null,
  primary key (month, revisions)
);

do $$
declare
  name text;
begin
  foreach name in array array['compensation_agreement', 'compensation_cause', 'compensation_claim',
    'compensation_item', 'compensation_proof', 'compensation_step', 'compensation_settlement', 'compensation_month'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', name);
    execute format('grant select, insert on %I to yinxin_worker', name);
  end loop;
  foreach name in array array['compensation_agreement', 'compensation_claim', 'compensation_item',
    'compensation_proof', 'compensation_step', 'compensation_settlement'] loop
    execute format('create policy app_rows on %I for select to yinxin_app using (tenant_id = app_subject())', name);
    execute format('grant select on %I to yinxin_app', name);
  end loop;
  execute 'create policy app_rows on compensation_cause for select to yinxin_app
    using (tenant_id is null or tenant_id = app_subject())';
  execute 'grant select on compensation_cause to yinxin_app';
  execute 'grant update on compensation_claim, compensation_item to yinxin_worker';
  execute 'grant delete on compensation_item, compensation_proof to yinxin_worker';
  foreach name in array array['compensation_agreement', 'compensation_cause', 'compensation_step',
    'compensation_settlement'] loop
    execute format(
      'create trigger %I before update or delete or truncate on %I for each statement execute function forbid_change()',
      name || '_kept', name);
  end loop;
end
$$;
