-- Openings are sealed under the contract's key, so that they die with it. Rows from before are sealed in the
-- background; that is the only change a row ever sees.
alter table task_event_disclosure add column sealed bytea;
alter table task_event_disclosure alter column salt drop not null;
alter table task_event_disclosure alter column value drop not null;
alter table task_event_disclosure add constraint sealed_or_open check (
  (sealed is null) = (salt is not null) and (sealed is null) = (value is not null)
);
create index task_event_disclosure_open on task_event_disclosure (task_id) where sealed is null;
grant update (salt, value, sealed) on task_event_disclosure to yinxin_worker;

create function only_sealing() returns trigger language plpgsql as $$
begin
  if old.sealed is not null or new.sealed is null then
    raise exception 'an opening is only ever sealed' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger only_sealing before update on task_event_disclosure for each row execute function only_sealing();
