-- What the other rooms need so that a contract can be destroyed: who may no longer read it, and ways to forget in
-- tables that otherwise only grow.
alter table sign_task add column destroyed_at timestamptz;
alter table task_party add column access_destroyed_at timestamptz;
grant update (access_destroyed_at) on task_party to yinxin_worker;
grant delete on task_field, task_link, task_urge to yinxin_worker;

-- A destroyed access does not come back.
create function destroyed_access_stays() returns trigger language plpgsql as $$
begin
  if old.access_destroyed_at is not null and new.access_destroyed_at is distinct from old.access_destroyed_at then
    raise exception 'a destroyed access does not come back' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;
create trigger destroyed_access_stays before update on task_party
  for each row execute function destroyed_access_stays();

-- Which contract a message is about, so that it can be forgotten with it.
alter table notification add column about_task uuid;
create index notification_about_task on notification (about_task) where about_task is not null;

-- A fact is forgotten by losing its payload; nothing else of it ever changes.
create function forget_fact() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and is_worker() and (to_jsonb(new) - 'payload') = (to_jsonb(old) - 'payload')
    and new.payload = jsonb_build_object('forgotten', true) then
    return new;
  end if;
  raise exception 'table outbox_facts is append-only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
drop trigger append_only on outbox_facts;
create trigger append_only before update or delete on outbox_facts for each row execute function forget_fact();
grant update (payload) on outbox_facts to yinxin_worker;
create index outbox_facts_subject on outbox_facts (subject_key);
grant execute on function destroyed_access_stays(), forget_fact() to yinxin_app, yinxin_worker;

-- A sealed opening goes as a whole: its commitment stays in the chain and can never be opened again.
grant delete on task_event_disclosure to yinxin_worker;
grant update (echo, callback_url) on fasc_task to yinxin_worker;
grant select, delete on fasc_field to yinxin_worker;
grant update (name) on file to yinxin_worker;
