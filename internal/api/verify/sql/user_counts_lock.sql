-- Who posts or follows changes the counter last and waits here; the next statement counts what was committed before.
select 1 from user_stats where user_id = any ($1::bigint[]) order by user_id for update
