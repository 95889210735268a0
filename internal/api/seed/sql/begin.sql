with gone as (delete from platctl.seed_chunks)
insert into platctl.seed (generator, scale, seed, anchor, password_hash)
values ($1, $2, $3, $4, $5)
on conflict (only_row) do update
set generator = excluded.generator, scale = excluded.scale, seed = excluded.seed, anchor = excluded.anchor,
    password_hash = excluded.password_hash, finished_at = null, hash = '', rows = '{}'
