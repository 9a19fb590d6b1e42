--! login
-- The four roles of the platform. They are shared by all databases of a cluster, hence tolerant of existing ones.
-- This file alone runs as the owner's login: it creates the role under which the others run.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['yinxin_owner', 'yinxin_app', 'yinxin_worker', 'yinxin_queue'] loop
    begin
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end
$$;

-- A login that may create roles but is no superuser needs membership to act as them.
do $$
begin
  if not pg_has_role(current_user, 'yinxin_owner', 'member') then
    execute format('grant yinxin_owner to %I', current_user);
  end if;
end
$$;

revoke create on schema public from public;
grant usage, create on schema public to yinxin_owner;
grant usage on schema public to yinxin_app, yinxin_worker, yinxin_queue;
