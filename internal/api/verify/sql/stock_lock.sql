-- Whoever orders or cancels takes these rows before it commits and waits here; the next statement counts what was committed before.
select 1 from products where id = any ($1::bigint[]) order by id for no key update
