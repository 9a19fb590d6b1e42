-- What takes two people names two operators, no longer two names that anybody can type.
alter table legal_hold
  add column placed_by_id uuid references operator (id),
  add column confirmed_by_id uuid references operator (id),
  add column release_asked_by_id uuid references operator (id),
  add column released_by_id uuid references operator (id),
  add check (confirmed_by_id <> placed_by_id),
  add check (released_by_id <> release_asked_by_id);
alter table retired_medium
  add column done_by_id uuid references operator (id),
  add column witnessed_by_id uuid references operator (id),
  add check (witnessed_by_id <> done_by_id);
