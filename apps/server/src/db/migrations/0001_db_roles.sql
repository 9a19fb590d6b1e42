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

-- A login that may create roles but is no superuser must be able to act as them; having created a role is not enough.
do $$
begin
  set local role yinxin_owner;
  set local role none;
exception when insufficient_privilege then
  execute format('grant yinxin_owner to %I', session_user);
end
$$;

revoke create on schema public from public;
grant usage, create on schema public to yinxin_owner;
grant usage on schema public to yinxin_app, yinxin_worker, yinxin_queue;
