-- Who asked for a code without a session or a link, as a keyed hash of its address; null for owners. Strangers are
-- counted by login, by address and altogether, and never against the owner.
alter table login_code add column asked_from bytea;
create index login_code_by_time on login_code (created_at);
create index login_code_by_asker on login_code (asked_from, created_at) where asked_from is not null;

-- What has ended is forgotten after a while.
create index session_by_end on session (expires_at);
grant delete on session to yinxin_worker;
