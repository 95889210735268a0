-- Empty tables of people, and the columns that a row can be given. A foreign key counts for its columns one by one.
select t.sql, t.name,
       (select coalesce(jsonb_agg(jsonb_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod), 'base', b.typname,
                    'category', b.typcategory, 'notnull', a.attnotnull or ty.typnotnull, 'default', a.atthasdef or a.attidentity <> '',
                    'max', case when b.typname in ('varchar', 'bpchar') and a.atttypmod > 4 then a.atttypmod - 4 else 0 end,
                    'check', coalesce((select string_agg('(' || pg_get_expr(k.conbin, t.oid) || ')', ' and ') from pg_constraint k
                              where k.contype = 'c' and k.conrelid = t.oid and k.conkey = array[a.attnum]), ''),
                    'words', coalesce((select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
                              where k.contype = 'c' and (k.conrelid = t.oid and k.conkey = array[a.attnum] or k.contypid = a.atttypid and a.atttypid <> 0)), ''),
                    'parent', coalesce(f.parent, ''), 'key', coalesce(f.key, ''), 'fk', coalesce(f.fk, '')) order by a.attnum), '[]')
        from pg_attribute a
        join pg_type ty on ty.oid = a.atttypid
        join pg_type b on b.oid = case when ty.typtype = 'd' then ty.typbasetype else ty.oid end
        left join lateral (
            select quote_ident(pn.nspname) || '.' || quote_ident(p.relname) as parent, quote_ident(pa.attname) as key, k.conname as fk
            from pg_constraint k
            join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace
            join pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = k.confkey[array_position(k.conkey, a.attnum)]
            where k.contype = 'f' and k.conrelid = t.oid and a.attnum = any (k.conkey)
            order by cardinality(k.conkey) desc limit 1
        ) f on true
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a')
from (
    select c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as sql,
           case when n.nspname = 'public' then quote_ident(c.relname) else quote_ident(n.nspname) || '.' || quote_ident(c.relname) end as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.oid >= 16384
      and n.nspname not in ('platctl', 'information_schema') and n.nspname !~ '^pg_' and c.relpersistence <> 't'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      and (select coalesce(sum(pg_relation_size(p.relid)), 0) from pg_partition_tree(c.oid) p where p.isleaf) + pg_relation_size(c.oid) = 0
) t
order by t.oid
