-- Functions that the policies and triggers of every room lean on.
-- Nobody but the owner runs a function unless it is granted.
alter default privileges for role yinxin_owner revoke execute on functions from public;

-- The subject (company or person) that this transaction acts for; null outside one.
create function app_subject() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.subject', true), '')::uuid;

create function is_worker() returns boolean
  language sql stable parallel safe
  return current_user = 'yinxin_worker';

-- Trigger of append-only tables, before update, delete or truncate.
create function forbid_change() returns trigger
  language plpgsql as $$
begin
  raise exception 'table %.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

grant execute on function app_subject(), is_worker(), forbid_change() to yinxin_app, yinxin_worker, yinxin_queue;
