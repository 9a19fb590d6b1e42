-- People, companies, and the ways they come in. A subject (person or company) is a tenant.
create table subject (
  id uuid primary key,
  kind text not null check (kind in ('person', 'corp')),
  created_at timestamptz not null
);

create table person (
  id uuid primary key references subject (id),
  -- What the person calls itself until the identity check, the checked name afterwards.
  name text,
  id_type text check (id_type in ('id_card')),
  id_number_sealed bytea,
  -- Keyed, so that equal numbers can be found without opening any.
  id_number_hash bytea,
  verified_at timestamptz,
  identity_method text,
  identity_provider text,
  identity_simulated boolean not null default false,
  created_at timestamptz not null
);
create index person_by_id_number on person (id_number_hash) where id_number_hash is not null;

create table corp (
  id uuid primary key references subject (id),
  name text not null,
  credit_code text not null unique,
  legal_representative text not null,
  verified_at timestamptz,
  identity_method text,
  identity_provider text,
  identity_simulated boolean not null default false,
  created_by uuid not null references person (id),
  created_at timestamptz not null
);
create index corp_by_name on corp (name);

create table member (
  -- The company.
  tenant_id uuid not null references corp (id),
  person_id uuid not null references person (id),
  role text not null check (role in ('admin', 'member')),
  active boolean not null,
  -- Until the person first acts for the company, its administrators do not learn the person's name.
  accepted_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, person_id)
);
create index member_by_person on member (person_id);

create table account (
  id uuid primary key,
  person_id uuid not null unique references person (id),
  mobile text unique,
  email text unique,
  password_hash text,
  created_at timestamptz not null,
  check (mobile is not null or email is not null)
);

create table login_code (
  id uuid primary key,
  login text not null,
  -- What the code opens: `login`, or one signing ceremony.
  scope text not null,
  code_hash bytea not null,
  tries int not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index login_code_by_login on login_code (login, scope, created_at);

-- Failed passwords per login, known or not: the answer must not tell them apart.
create table login_guard (
  login_hash bytea primary key,
  failures int not null,
  locked_until timestamptz,
  last_failure_at timestamptz not null
);

create table session (
  id uuid primary key,
  token_hash bytea not null unique,
  account_id uuid not null references account (id),
  person_id uuid not null references person (id),
  -- Whom the session acts for.
  subject_id uuid not null references subject (id),
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- The absolute end; the sliding one is counted from last_seen_at.
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index session_by_account on session (account_id);

create table app (
  app_id text primary key,
  tenant_id uuid not null references corp (id),
  name text not null,
  environment text not null check (environment in ('sandbox', 'production')),
  callback_url text,
  active boolean not null,
  created_at timestamptz not null
);
create index app_by_tenant on app (tenant_id, created_at, app_id);

create table app_secret (
  app_id text primary key references app (app_id),
  -- Sealed and not hashed, because an HMAC needs the secret itself.
  secret_sealed bytea not null,
  created_at timestamptz not null
);

do $$
declare
  t text;
begin
  foreach t in array array['subject', 'person', 'corp', 'member', 'account', 'login_code', 'login_guard', 'session',
                           'app', 'app_secret'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', t);
  end loop;
end
$$;

-- Requests see their own subject, and a company sees its members and apps. Accounts, codes, sessions and
-- secrets have no policy for requests at all.
create policy app_rows on subject for select to yinxin_app using (id = app_subject());
create policy app_rows on person for select to yinxin_app using (id = app_subject());
create policy app_rows on corp for select to yinxin_app using (id = app_subject());
create policy app_rows on member to yinxin_app using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy app_rows on app to yinxin_app using (tenant_id = app_subject()) with check (tenant_id = app_subject());

grant select on subject, corp to yinxin_app;
grant select (id, name, verified_at, identity_method, identity_provider, identity_simulated, created_at) on person to yinxin_app;
grant select, insert, update on member, app to yinxin_app;
grant select, insert on subject to yinxin_worker;
grant select, insert, update on person, corp, member, account, login_code, login_guard, session, app, app_secret to yinxin_worker;
grant delete on login_code, login_guard to yinxin_worker;

-- Keys of keyed hashes, sealed by kms: a six-digit code or an identity number has too few values for a plain hash.
create table hash_key (
  name text primary key,
  key_sealed bytea not null,
  created_at timestamptz not null
);
alter table hash_key enable row level security;
alter table hash_key force row level security;
create policy worker_rows on hash_key to yinxin_worker using (true) with check (true);
grant select, insert on hash_key to yinxin_worker;
