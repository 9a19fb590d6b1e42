-- Codes that are over are forgotten; the evidence of a signing keeps what it needs of them.
create index willingness_code_by_time on willingness_code (created_at);
