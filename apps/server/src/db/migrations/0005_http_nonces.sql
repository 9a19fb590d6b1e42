-- Nonces of signed app requests, each good for one request. Known to the worker role alone.
create table app_nonces (
  app_id text not null,
  nonce text not null,
  expires_at timestamptz not null,
  primary key (app_id, nonce)
);
create index app_nonces_expiry on app_nonces (expires_at);
alter table app_nonces enable row level security;
alter table app_nonces force row level security;
create policy worker_rows on app_nonces to yinxin_worker using (true) with check (true);
grant select, insert, delete on app_nonces to yinxin_worker;
