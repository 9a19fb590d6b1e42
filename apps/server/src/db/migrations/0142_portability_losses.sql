-- What cannot be read does not keep the rest from leaving: it is tried again for a while, and then declared as lost.
alter table export_item drop constraint export_item_state_check;
alter table export_item add constraint export_item_state_check check (state in ('waiting', 'done', 'gone', 'lost'));
alter table export_item add column tries integer not null default 0;

alter table export_job add column loss_count integer not null default 0;
-- Until then the export waits before it tries again what it could not read.
alter table export_job add column resume_at timestamptz;

create table export_loss (
  export_id uuid not null references export_job (id),
  path text not null,
  tenant_id uuid not null,
  -- The file, seal or contract that it belongs to.
  subject_id uuid not null,
  reason text not null check (reason in ('unreadable', 'damaged', 'key_missing', 'failed')),
  size_bytes bigint,
  sha256 text,
  primary key (export_id, path)
);
alter table export_loss enable row level security;
alter table export_loss force row level security;
create policy worker_rows on export_loss to yinxin_worker using (true) with check (true);
create policy app_rows on export_loss for select to yinxin_app using (tenant_id = app_subject());
grant select, insert, update, delete on export_loss to yinxin_worker;
grant select on export_loss to yinxin_app;
