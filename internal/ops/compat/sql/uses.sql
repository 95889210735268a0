-- What the body of a function depends on, as the server has it: relations and their columns, through views down to tables, and
-- functions and types that people have made. $1: the function.
with recursive node (classid, objid) as (
    select 'pg_proc'::regclass::oid, $1::oid
    union
    select 'pg_rewrite'::regclass::oid, w.oid
    from node n
    join pg_depend d on d.classid = n.classid and d.objid = n.objid and d.refclassid = 'pg_class'::regclass
    join pg_class c on c.oid = d.refobjid and c.relkind = 'v'
    join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
), dep as (
    select distinct d.refclassid, d.refobjid, d.refobjsubid
    from node n join pg_depend d on d.classid = n.classid and d.objid = n.objid
)
select 'column', quote_ident(s.nspname) || '.' || quote_ident(c.relname), coalesce(quote_ident(a.attname), '')
from dep d join pg_class c on c.oid = d.refobjid join pg_namespace s on s.oid = c.relnamespace
left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid and a.attnum > 0
where d.refclassid = 'pg_class'::regclass and c.relkind in ('r', 'p', 'v', 'm', 'f')
union
select 'function', p.oid::regprocedure::text, ''
from dep d join pg_proc p on p.oid = d.refobjid
where d.refclassid = 'pg_proc'::regclass and p.pronamespace <> 'pg_catalog'::regnamespace
union
select 'type', format_type(t.oid, null), ''
from dep d join pg_type t on t.oid = d.refobjid
where d.refclassid = 'pg_type'::regclass and t.typnamespace <> 'pg_catalog'::regnamespace and t.typtype in ('e', 'd', 'c', 'r')
