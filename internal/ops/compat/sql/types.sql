-- The names of types.
select t.oid, format_type(t.oid, null) from unnest($1::oid[]) t (oid)
