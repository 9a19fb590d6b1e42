--! login
-- The keys database knows one role: the worker. Requests never reach it but through kms.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['yinxin_owner', 'yinxin_worker'] loop
    begin
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end
$$;

do $$
begin
  if not pg_has_role(current_user, 'yinxin_owner', 'member') then
    execute format('grant yinxin_owner to %I', current_user);
  end if;
end
$$;

revoke create on schema public from public;
grant usage, create on schema public to yinxin_owner;
grant usage on schema public to yinxin_worker;
