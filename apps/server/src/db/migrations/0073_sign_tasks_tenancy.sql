-- Row-level security judges a row by its own tenant_id; these keys make that tenant the one of the task it hangs on.
-- Without them a tenant could add itself to the parties of another's task, and then see it.
alter table sign_task add unique (id, tenant_id);
alter table task_document add unique (id, tenant_id);
alter table task_actor add unique (id, tenant_id);

do $$
declare
  link text[];
begin
  foreach link slice 1 in array array[
    ['task_party', 'task_id', 'sign_task', 'cascade'],
    ['task_document', 'task_id', 'sign_task', 'cascade'],
    ['task_actor', 'task_id', 'sign_task', 'cascade'],
    ['task_field', 'task_id', 'sign_task', 'cascade'],
    ['task_field', 'document_id', 'task_document', 'cascade'],
    ['task_field', 'actor_id', 'task_actor', 'cascade'],
    ['task_link', 'task_id', 'sign_task', 'cascade'],
    ['task_link', 'actor_id', 'task_actor', 'cascade'],
    ['task_urge', 'task_id', 'sign_task', 'no action'],
    ['task_document_segment', 'document_id', 'task_document', 'no action']
  ] loop
    execute format('alter table %1$I drop constraint %2$I, add constraint %2$I
      foreign key (%3$I, tenant_id) references %4$I (id, tenant_id) on delete %5$s',
      link[1], link[1] || '_' || link[2] || '_fkey', link[2], link[3], link[4]);
  end loop;
end
$$;
