-- Seals of companies, and name seals and handwriting of people. A drawing is made once and never changes.
create table seal (
  id uuid primary key,
  -- The company or person that owns it.
  tenant_id uuid not null,
  kind text not null check (kind in ('official', 'contract', 'finance', 'legal-representative', 'personal')),
  -- For `personal`: written by hand, or a name seal.
  form text not null check (form in ('drawn', 'handwritten')),
  name text not null,
  status text not null check (status in ('active', 'disabled')),
  width_mm double precision not null,
  height_mm double precision not null,
  -- Sealed by kms: whoever copies the database must not be able to copy seals and handwriting.
  svg_sealed bytea not null,
  appearance_sealed bytea not null,
  created_at timestamptz not null
);
create index seal_by_tenant on seal (tenant_id, id);

-- Which members may use a seal besides the administrators.
create table seal_grant (
  tenant_id uuid not null,
  seal_id uuid not null references seal (id),
  person_id uuid not null,
  expires_at timestamptz,
  granted_at timestamptz not null,
  ended_at timestamptz,
  primary key (seal_id, person_id)
);
create index seal_grant_by_person on seal_grant (tenant_id, person_id);

-- Scenes in which a seal signs without a code, as the company granted it.
create table free_sign_scene (
  business_id text primary key,
  tenant_id uuid not null,
  seal_id uuid not null references seal (id),
  name text not null,
  expires_at timestamptz,
  created_at timestamptz not null,
  ended_at timestamptz
);
create index free_sign_scene_by_seal on free_sign_scene (seal_id);

do $$
declare
  t text;
begin
  foreach t in array array['seal', 'seal_grant', 'free_sign_scene'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy app_rows on %I to yinxin_app using (tenant_id = app_subject()) with check (tenant_id = app_subject())', t);
    execute format('create policy worker_rows on %I to yinxin_worker using (true) with check (true)', t);
    execute format('grant select, insert on %I to yinxin_app, yinxin_worker', t);
  end loop;
end
$$;
-- No role may touch a drawing once it is made.
grant update (status) on seal to yinxin_app, yinxin_worker;
grant update (expires_at, granted_at, ended_at) on seal_grant to yinxin_app, yinxin_worker;
grant update (ended_at) on free_sign_scene to yinxin_app, yinxin_worker;
