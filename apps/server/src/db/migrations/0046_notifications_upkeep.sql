-- Contents are kept for a time, and messages in nobody's affairs (log-in codes) are then forgotten altogether. What
-- was sent in the affairs of a subject stays on record without its content.
create index notification_content_by_time on notification (created_at) where content_sealed is not null;
create index notification_of_nobody_by_time on notification (created_at) where tenant_id is null;
grant delete on notification to yinxin_worker;
