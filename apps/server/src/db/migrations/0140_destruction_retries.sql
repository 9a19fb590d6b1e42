-- A step that failed is tried again ever later; when, stands where everybody may see it.
alter table destruction add column next_try_at timestamptz;

-- The agreement to destroy is linked in the very transaction that creates it, by whoever asked: so there is never an
-- agreement without its request, and never a second one.
grant update (agreement_task_id) on destruction to yinxin_app;
create policy app_links_agreement on destruction for update to yinxin_app
  using (tenant_id = app_subject() and basis = 'consent' and state = 'REQUESTED' and agreement_task_id is null)
  with check (tenant_id = app_subject() and basis = 'consent' and state = 'REQUESTED');
