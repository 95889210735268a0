-- The functions of the server that have no volatile variant and can be called from SQL.
select proname::text from pg_proc
where pronamespace = 'pg_catalog'::regnamespace and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
group by proname
having bool_and(provolatile <> 'v')
   and not bool_and('internal'::regtype = any (proargtypes) or 'cstring'::regtype = any (proargtypes) or prorettype = 'cstring'::regtype)
order by proname collate "C";
