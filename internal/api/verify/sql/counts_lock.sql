-- Who likes or comments changes the counter last and waits here; the next statement counts what was committed before.
select 1 from post_stats where post_id = any ($1::bigint[]) order by post_id for update
