-- Every fact about what people have made in this database: what it is, what it is called, what is true of it. Not told: what
-- PostgreSQL itself or an extension has made, the ledger of migrations, and anything that says where or how much instead of what
-- (oids, sizes, statistics). Names are complete, so the search path doesn't matter.
with ours as materialized (
    select n.oid, quote_ident(n.nspname) as name, n.nspname, n.nspowner, n.nspacl from pg_namespace n
    where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'platctl')
      and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
), extended as materialized (
    select d.classid, d.objid from pg_depend d where d.deptype = 'e'
), relation as materialized (
    select c.*, o.name || '.' || quote_ident(c.relname) as name,
           case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view'
                when 'S' then 'sequence' when 'f' then 'foreign table' when 'c' then 'type' end as kind
    from pg_class c join ours o on o.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
      and not exists (select from extended e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
), fact (kind, object, fact, ordinal) as (
    select 'schema', o.name, 'owner ' || o.nspowner::regrole, 0 from ours o
    union all
    select r.kind, r.name, 'owner ' || r.relowner::regrole, 0 from relation r
    union all
    select r.kind, r.name, x.fact, 0 from relation r,
        lateral (values
            (case r.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' end),
            (case when r.relrowsecurity then 'row security' end),
            (case when r.relforcerowsecurity then 'row security for its owner too' end),
            (case when r.relreplident <> 'd' and r.relkind in ('r', 'p') then 'replica identity ' || r.relreplident::text end),
            (case when r.reloptions is not null then 'options ' || array_to_string(array(select unnest(r.reloptions) order by 1), ', ') end),
            (case when r.relkind = 'p' then 'partition by ' || pg_get_partkeydef(r.oid) end),
            (case when r.relispartition then 'partition of ' || (select i.inhparent::regclass from pg_inherits i where i.inhrelid = r.oid) || ' ' ||
                  pg_get_expr(r.relpartbound, r.oid) end),
            (case when r.relkind in ('v', 'm') then 'as ' || pg_get_viewdef(r.oid) end),
            (case when r.relkind = 'm' and not r.relispopulated then 'not populated' end)
        ) x (fact) where x.fact is not null
    union all
    select r.kind, r.name, 'inherits ' || i.inhparent::regclass, 0
    from relation r join pg_inherits i on i.inhrelid = r.oid where not r.relispartition
    union all
    select 'column', r.name || '.' || quote_ident(a.attname), x.fact, 0
    from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
        left join pg_type t on t.oid = a.atttypid,
        lateral (values
            ('type ' || format_type(a.atttypid, a.atttypmod)),
            (case when a.attnotnull then 'not null' end),
            (case when a.attgenerated = '' then 'default ' else 'generated ' || a.attgenerated::text || ' ' end || pg_get_expr(d.adbin, r.oid)),
            (case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end),
            (case when a.attcollation <> t.typcollation then 'collation ' || a.attcollation::regcollation end),
            (case when a.attstorage <> t.typstorage then 'storage ' || a.attstorage::text end),
            (case when a.attcompression <> '' then 'compression ' || a.attcompression::text end),
            ('statistics ' || nullif(a.attstattarget, -1)),
            ('options ' || array_to_string(a.attoptions, ', '))
        ) x (fact) where x.fact is not null and r.relkind <> 'S'
    union all
    select 'column order', r.name || '.' || quote_ident(a.attname), 'at', row_number() over (partition by r.oid order by a.attnum)
    from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped where r.relkind <> 'S'
    union all
    select 'sequence', r.name, format('%s start %s min %s max %s by %s cache %s%s', format_type(s.seqtypid, null), s.seqstart, s.seqmin,
           s.seqmax, s.seqincrement, s.seqcache, case when s.seqcycle then ' cycle' end), 0
    from relation r join pg_sequence s on s.seqrelid = r.oid
    union all
    select 'sequence', r.name, 'owned by ' || d.refobjid::regclass || '.' || quote_ident(a.attname), 0
    from relation r
    join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where r.relkind = 'S'
    union all
    select 'constraint', coalesce(r.name, format_type(c.contypid, null)) || '.' || quote_ident(c.conname), pg_get_constraintdef(c.oid), 0
    from pg_constraint c join ours o on o.oid = c.connamespace left join relation r on r.oid = c.conrelid
    where c.contype <> 'n' and not (c.contype = 't' and c.conrelid = 0)
    union all
    select 'index', o.name || '.' || quote_ident(i.relname), x.fact, 0
    from relation r join pg_index x_ on x_.indrelid = r.oid join pg_class i on i.oid = x_.indexrelid join ours o on o.oid = i.relnamespace,
        lateral (values
            (pg_get_indexdef(i.oid)),
            (case when not x_.indisvalid then 'invalid' end),
            (case when x_.indisclustered then 'the table is clustered on it' end),
            (case when x_.indisreplident then 'replica identity' end),
            (case when i.reloptions is not null then 'options ' || array_to_string(array(select unnest(i.reloptions) order by 1), ', ') end)
        ) x (fact) where x.fact is not null
    union all
    select 'function', p.oid::regprocedure::text, x.fact, 0
    from pg_proc p join ours o on o.oid = p.pronamespace,
        lateral (values (case when p.prokind = 'a' then 'aggregate' else pg_get_functiondef(p.oid) end), ('owner ' || p.proowner::regrole)) x (fact)
    where not exists (select from extended e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
    union all
    select 'trigger', r.name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' else ' enabled ' || t.tgenabled::text end, 0
    from relation r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal and t.tgparentid = 0
    union all
    select 'rule', r.name || '.' || quote_ident(w.rulename), pg_get_ruledef(w.oid) || case w.ev_enabled when 'O' then '' else ' enabled ' || w.ev_enabled::text end, 0
    from relation r join pg_rewrite w on w.ev_class = r.oid where w.rulename <> '_RETURN'
    union all
    select 'policy', r.name || '.' || quote_ident(p.polname), format('%s for %s to %s using (%s) check (%s)',
           case when p.polpermissive then 'permissive' else 'restrictive' end, p.polcmd, array(select g::regrole::text from unnest(p.polroles) g order by 1),
           pg_get_expr(p.polqual, r.oid), pg_get_expr(p.polwithcheck, r.oid)), 0
    from relation r join pg_policy p on p.polrelid = r.oid
    union all
    select 'statistics', o.name || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid), 0
    from pg_statistic_ext s join ours o on o.oid = s.stxnamespace
    union all
    select 'type', format_type(t.oid, null), x.fact, 0
    from pg_type t join ours o on o.oid = t.typnamespace,
        lateral (values
            (case t.typtype when 'e' then 'enum ' || (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)
                  when 'd' then 'domain over ' || format_type(t.typbasetype, t.typtypmod) || case when t.typnotnull then ' not null' else '' end
                  when 'r' then 'range' when 'b' then 'base' end),
            ('default ' || t.typdefault),
            ('owner ' || t.typowner::regrole)
        ) x (fact)
    where t.typtype in ('e', 'd', 'r', 'b') and t.typelem = 0 and x.fact is not null
      and not exists (select from extended e where e.classid = 'pg_type'::regclass and e.objid = t.oid)
    union all
    select 'extension', quote_ident(e.extname), 'version ' || e.extversion, 0 from pg_extension e where e.extname <> 'plpgsql'
    union all
    select 'event trigger', quote_ident(e.evtname), format('%s %s %s enabled %s', e.evtevent, e.evttags, e.evtfoid::regproc, e.evtenabled), 0
    from pg_event_trigger e
    where not exists (select from extended x where x.classid = 'pg_event_trigger'::regclass and x.objid = e.oid)
    union all
    select 'publication', quote_ident(p.pubname), 'all tables ' || p.puballtables, 0 from pg_publication p
    union all
    select 'publication', quote_ident(p.pubname), 'table ' || t.prrelid::regclass, 0 from pg_publication_rel t join pg_publication p on p.oid = t.prpubid
    union all
    -- Kinds that few have: that they are there.
    select i.type, i.identity, 'exists', 0
    from (select 'pg_operator'::regclass as c, oid as id, oprnamespace as n from pg_operator
          union all select 'pg_opclass'::regclass, oid, opcnamespace from pg_opclass
          union all select 'pg_opfamily'::regclass, oid, opfnamespace from pg_opfamily
          union all select 'pg_collation'::regclass, oid, collnamespace from pg_collation
          union all select 'pg_conversion'::regclass, oid, connamespace from pg_conversion
          union all select 'pg_ts_config'::regclass, oid, cfgnamespace from pg_ts_config
          union all select 'pg_ts_dict'::regclass, oid, dictnamespace from pg_ts_dict
          union all select 'pg_cast'::regclass, oid, null from pg_cast
          union all select 'pg_foreign_server'::regclass, oid, null from pg_foreign_server
          union all select 'pg_foreign_data_wrapper'::regclass, oid, null from pg_foreign_data_wrapper) rare,
         lateral pg_identify_object(rare.c, rare.id, 0) i
    where rare.id >= 16384 and (rare.n is null or rare.n in (select oid from ours))
      and not exists (select from extended e where e.classid = rare.c and e.objid = rare.id)
    union all
    select 'grant', g.object, format('%s to %s%s', a.privilege_type, case a.grantee when 0 then 'public' else a.grantee::regrole::text end,
           case when a.is_grantable then ' with grant option' end), 0
    from (select r.kind || ' ' || r.name as object, r.relacl as acl from relation r
          union all select 'column ' || r.name || '.' || quote_ident(t.attname), t.attacl from relation r join pg_attribute t on t.attrelid = r.oid and not t.attisdropped
          union all select 'schema ' || o.name, o.nspacl from ours o
          union all select 'function ' || p.oid::regprocedure, p.proacl from pg_proc p join ours o on o.oid = p.pronamespace
              where not exists (select from extended e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
          union all select 'type ' || format_type(t.oid, null), t.typacl from pg_type t join ours o on o.oid = t.typnamespace where t.typelem = 0
          union all select format('default for %s in %s of type %s', d.defaclrole::regrole, coalesce(n.nspname, '-'), d.defaclobjtype), d.defaclacl
              from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace) g,
        lateral aclexplode(g.acl) a
    where g.acl is not null -- or every name is made to explode nothing
    union all
    select 'comment', i.type || ' ' || i.identity, d.description, 0
    from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    where d.objoid >= 16384 and i.schema is distinct from 'platctl'
      and not exists (select from extended e where e.classid = d.classoid and e.objid = d.objoid)
      and not exists (select from pg_namespace n where n.oid = d.objoid and d.classoid = 'pg_namespace'::regclass and n.nspname = 'platctl')
)
select kind, object, fact, ordinal::int from fact order by kind collate "C", object collate "C", fact collate "C", ordinal
