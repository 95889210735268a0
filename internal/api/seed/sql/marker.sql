-- An earlier release made the table without rows.
select generator, scale, seed, anchor, password_hash, finished_at is not null, hash, coalesce(to_jsonb(s) -> 'rows', '{}') from platctl.seed s
