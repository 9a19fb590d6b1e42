-- What a scrub saw of the domain itself, and the time it kept: the right to know shows these and not the settings of now.
alter table storage_scrub_passes
  add column site text check (site in ('primary', 'recovery')),
  add column device text,
  add column period_ms bigint check (period_ms > 0);
