-- The person who created the task for its initiator: who is told how it ends. Null when a program created it.
alter table sign_task add column creator_person_id uuid;
