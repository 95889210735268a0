-- The functions that people have made, for looking into their bodies: what has no parsed body is parsed by us, or read by its words.
select p.oid, p.oid::regprocedure::text as signature, l.lanname as language, coalesce(p.prosrc, '') as body, p.prosqlbody is not null as parsed,
       coalesce(pg_get_function_arguments(p.oid), '') as arguments, coalesce(pg_get_function_result(p.oid), '') as result
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'platctl') and p.prokind in ('f', 'p')
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
