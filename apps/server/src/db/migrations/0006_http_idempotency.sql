-- Requests sent with an Idempotency-Key and the answers they got. The answer is sealed: it may carry a secret
-- that is shown once.
create table idempotency_keys (
  tenant_id uuid not null,
  credential text not null,
  key text not null,
  request_hash text not null,
  state text not null check (state in ('running', 'done')),
  lease_until timestamptz not null,
  status smallint,
  answer bytea,
  created_at timestamptz not null,
  primary key (tenant_id, credential, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy app_rows on idempotency_keys to yinxin_app
  using (tenant_id = app_subject()) with check (tenant_id = app_subject());
create policy worker_rows on idempotency_keys to yinxin_worker using (true) with check (true);
grant select, insert, update, delete on idempotency_keys to yinxin_app;
-- A signature commits under the worker role, and its answer with it.
grant select, update, delete on idempotency_keys to yinxin_worker;
