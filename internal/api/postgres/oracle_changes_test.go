package postgres_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/manifest"
)

// alteration is one change of the schema that the oracle tries.
type alteration struct {
	rule string // C01 to C12, or harmless
	kind string // variant of the rule
	sql  string
}

// catalogued is a column of the live catalogue.
type catalogued struct {
	Table, Column, Type          string
	NotNull, Default, Identity   bool
	Unique, Key, Checked, Listed bool
}

const sqlColumns = `select c.oid::regclass::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity <> '',
	exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey)),
	exists (select from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'f') and a.attnum = any (k.conkey)),
	exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and a.attnum = any (k.conkey)),
	exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum] and pg_get_constraintdef(k.oid) like '%ANY (ARRAY[%')
	from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1, a.attnum`

// harmless is the rule of changes that a release lives with.
const harmless = "harmless"

// generator makes changes for what the executed statements need.
type generator struct {
	columns                 []catalogued
	used, inserted, written map[string]bool // table.column or table
	read                    map[string]bool // NOT NULL columns that a result has
	conflicts               []string
	per                     int // variants of each kind
	out                     []alteration
}

func newGenerator(t testing.TB, conn *pgx.Conn, calls []call, per int) *generator {
	t.Helper()
	rows, err := conn.Query(t.Context(), sqlColumns)
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{per: per, used: map[string]bool{}, inserted: map[string]bool{}, written: map[string]bool{}, read: map[string]bool{}}
	if g.columns, err = pgx.CollectRows(rows, pgx.RowToStructByPos[catalogued]); err != nil {
		t.Fatal(err)
	}
	bare := func(s string) string { return strings.TrimPrefix(s, "public.") }
	for _, c := range calls {
		if !c.effect {
			continue
		}
		for _, u := range c.statement.Uses {
			for _, column := range u.Columns {
				g.used[bare(u.Relation)+"."+column] = true
			}
		}
		for _, r := range c.statement.Inserts {
			g.inserted[bare(r)] = true
		}
		for _, r := range slices.Concat(c.statement.Inserts, c.statement.Updates) {
			g.written[bare(r)] = true
		}
		for _, column := range c.statement.Columns {
			g.read[bare(column.From)] = true
		}
		for _, index := range c.statement.Conflicts {
			if !slices.Contains(g.conflicts, bare(index)) {
				g.conflicts = append(g.conflicts, bare(index))
			}
		}
	}
	slices.Sort(g.conflicts)
	return g
}

// some returns columns that a condition holds for, of as many tables as there are, in an order that only the names decide.
func (g *generator) some(holds func(catalogued) bool) []catalogued {
	order := func(s string) uint32 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(s))
		return h.Sum32()
	}
	list := slices.DeleteFunc(slices.Clone(g.columns), func(c catalogued) bool { return !holds(c) })
	slices.SortFunc(list, func(a, b catalogued) int { return cmp.Compare(order(a.Table+a.Column), order(b.Table+b.Column)) })
	var first, rest []catalogued
	had := map[string]bool{}
	for _, c := range list {
		if had[c.Table] {
			rest = append(rest, c)
		} else {
			first, had[c.Table] = append(first, c), true
		}
	}
	return append(first, rest...)
}

// each adds a change for some columns. %t is the table, %c the column, %y its type.
func (g *generator) each(rule, kind, sql string, holds func(catalogued) bool) {
	for i, c := range g.some(holds) {
		if i == g.per {
			break
		}
		name := fmt.Sprintf("%s.%s", c.Table, c.Column)
		g.add(rule, kind+" "+name, strings.NewReplacer("%t", c.Table, "%c", c.Column, "%y", c.Type).Replace(sql))
	}
}

func (g *generator) add(rule, kind, sql string) { g.out = append(g.out, alteration{rule, kind, sql}) }

func (g *generator) isUsed(c catalogued) bool     { return g.used[c.Table+"."+c.Column] }
func (g *generator) isInserted(c catalogued) bool { return g.inserted[c.Table] }
func (g *generator) isWritten(c catalogued) bool  { return g.written[c.Table] && g.isUsed(c) }

// changes generates everything.
func (g *generator) changes(role string) []alteration {
	g.goneAndRenamed()
	g.stricter()
	g.types()
	g.behaviour(role)
	g.harmless()
	return g.out
}

func (g *generator) goneAndRenamed() {
	plain := func(c catalogued) bool { return g.isUsed(c) && !c.Key }
	g.each("C01", "drop column", "alter table %t drop column %c cascade", plain)
	g.each("C01", "drop table", "drop table %t cascade", func(c catalogued) bool { return g.isUsed(c) && c.Key })
	g.add("C01", "drop view", "drop view report_details")
	g.add("C01", "drop function", "drop function visible_posts(bigint) cascade")
	g.each("C02", "rename column", "alter table %t rename %c to renamed", plain)
	g.each("C02", "rename table", "alter table %t rename to renamed", func(c catalogued) bool { return g.isUsed(c) && c.Key })
	g.add("C02", "rename schema", "alter schema public rename to renamed; create schema public")
	g.each("C03", "required column", "alter table %t add required text not null default ''; alter table %t alter required drop default", g.isInserted)
	g.each("C03", "required number", "alter table %t add required bigint not null default 0; alter table %t alter required drop default",
		func(c catalogued) bool { return g.isInserted(c) && !c.Key })
}

func (g *generator) stricter() {
	plain := func(c catalogued) bool { return g.isInserted(c) && g.isUsed(c) && !c.Identity }
	g.each("C04", "check", "alter table %t add constraint stricter check (%c is null) not valid", func(c catalogued) bool { return plain(c) && c.NotNull })
	g.each("C04", "foreign key", "create table elsewhere (id %y primary key); alter table %t add constraint stricter foreign key (%c) references elsewhere not valid",
		func(c catalogued) bool { return plain(c) && c.NotNull && (c.Type == "bigint" || c.Type == "text") })
	g.each("C04", "unique", "create unique index stricter on %t (%c)", func(c catalogued) bool { return plain(c) && !c.Unique })
	g.each("C04", "exclude", "alter table %t add constraint stricter exclude (%c with =)", func(c catalogued) bool { return plain(c) && !c.Unique && c.Type == "text" })
	g.each("C04", "set not null", "update %t set %c = (select %c from %t where %c is not null limit 1) where %c is null; alter table %t alter %c set not null",
		func(c catalogued) bool { return g.isInserted(c) && !c.NotNull })
	g.each("C05", "drop not null", "alter table %t alter %c drop not null; update %t set %c = null",
		func(c catalogued) bool { return g.read[c.Table+"."+c.Column] && !c.Key && !c.Identity })
	for _, index := range g.conflicts {
		g.add("C07", "drop "+index, fmt.Sprintf(`do $$ declare r record; begin
			for r in select conrelid::regclass as t, conname from pg_constraint where conindid = '%[1]s'::regclass and contype in ('p', 'u') loop
				execute format('alter table %%s drop constraint %%I cascade', r.t, r.conname); end loop;
			drop index if exists %[1]s; end $$`, index))
	}
}

func (g *generator) types() {
	g.each("C06", "shorter text", "alter table %t alter %c type varchar(2) using left(%c, 2)", func(c catalogued) bool { return g.isWritten(c) && c.Type == "text" && !c.Checked })
	g.each("C06", "text for a number", "alter table %t alter %c type text using %c::text", func(c catalogued) bool { return g.isUsed(c) && c.Type == "bigint" && !c.Key && !c.Identity })
	g.each("C06", "smaller number", "alter table %t alter %c type integer using 1", func(c catalogued) bool { return g.isUsed(c) && c.Type == "bigint" && !c.Key && !c.Identity })
	g.each("C06", "date for a time", "alter table %t alter %c type date using %c::date", func(c catalogued) bool { return g.isUsed(c) && c.Type == "timestamp with time zone" })
	g.each("C08", "generated", "alter table %t drop column %c cascade; alter table %t add %c %y generated always as (null::%y) stored",
		func(c catalogued) bool { return g.isWritten(c) && !c.Key && !c.Identity })
	g.each("C08", "identity", "alter table %t alter %c add generated always as identity (start 100000)",
		func(c catalogued) bool {
			return g.isWritten(c) && c.Type == "bigint" && c.NotNull && !c.Default && !c.Identity
		})
}

func (g *generator) behaviour(role string) {
	used := func(c catalogued) bool { return g.isUsed(c) && c.Key }
	g.each("C09", "revoke all", "revoke all on %t from "+role, used)
	g.each("C09", "revoke writing", "revoke insert, update, delete on %t from "+role, func(c catalogued) bool { return g.isWritten(c) })
	g.each("C09", "row security", "alter table %t enable row level security", used)
	g.each("C09", "owner and grants", "revoke all on %t from "+role+"; alter table %t owner to postgres", func(c catalogued) bool { return g.isWritten(c) && !c.Key })
	trigger := "create function meddle() returns trigger language plpgsql as $$ begin %s end $$; create trigger meddle before insert or update on %%t for each row execute function meddle()"
	g.each("C10", "swallow", fmt.Sprintf(trigger, "return null;"), func(c catalogued) bool { return g.isWritten(c) })
	g.each("C10", "refuse", fmt.Sprintf(trigger, "raise exception 'no';"), func(c catalogued) bool { return g.isWritten(c) && !c.Key })
	g.each("C10", "change", fmt.Sprintf(trigger, "new.%%c := 'changed'; return new;"), func(c catalogued) bool {
		return g.isWritten(c) && c.Type == "text" && !c.Key && !c.Unique && !c.Checked
	})
	per := g.per
	g.per = 2 * per // a label matters only where a statement returns it
	g.each("C11", "wider list", `do $$ declare r record; begin
		for r in select conname from pg_constraint where conrelid = '%t'::regclass and contype = 'c' loop execute format('alter table %t drop constraint %I', r.conname); end loop; end $$;
		update %t set %c = '`+marker+`'`, func(c catalogued) bool { return g.isUsed(c) && c.Listed && !c.Unique && !c.Key })
	g.per = per
	g.add("C11", "enum label", "alter type river_job_state add value '"+marker+"'")
	for _, table := range []string{"posts", "users", "farms", "products"}[:min(g.per+1, 4)] {
		g.add("C12", "add column to select * of "+table, "alter table "+table+" add extra text")
	}
}

func (g *generator) harmless() {
	const h = harmless
	written := func(c catalogued) bool { return g.isWritten(c) }
	other := func(c catalogued) bool { return g.isUsed(c) && c.Key }
	g.each(h, "nullable column", "alter table %t add extra text", written)
	g.each(h, "column with a default", "alter table %t add extra int default 7", other)
	g.each(h, "required column with a default", "alter table %t add extra timestamptz not null default now()", written)
	g.each(h, "identity column", "alter table %t add extra bigint generated by default as identity", func(c catalogued) bool { return g.isInserted(c) && !c.Identity && c.Key })
	g.each(h, "checked nullable column", "alter table %t add extra int check (extra > 0)", other)
	g.each(h, "nullable reference", "create table parents (id bigint primary key); alter table %t add extra bigint references parents", written)
	g.each(h, "wider type", "alter table %t alter %c type bigint", func(c catalogued) bool { return c.Type == "integer" || c.Type == "smallint" })
	g.each(h, "wider text", "alter table %t alter %c type varchar", func(c catalogued) bool { return g.isUsed(c) && c.Type == "text" && !c.Checked && !c.Unique })
	g.each(h, "index", "create index extra on %t (%c)", written)
	g.each(h, "partial index", "create index extra on %t (%c) where %c is not null", func(c catalogued) bool { return written(c) && !c.NotNull })
	g.each(h, "new table that cascades", "create table extra (id bigint primary key, of bigint references %t on delete cascade)",
		func(c catalogued) bool { return c.Column == "id" && g.isUsed(c) })
	g.each(h, "comment and grant", "comment on table %t is 'x'; grant select on %t to public", other)
	g.each(h, "validated constraint", "alter table %t add extra int; alter table %t add constraint extra check (extra > 0) not valid; alter table %t validate constraint extra", written)
	g.add(h, "table", "create table extra (id bigint primary key, name text not null)")
	g.add(h, "view", "create view extra as select id from users")
	g.add(h, "function", "create function extra() returns int language sql as 'select 1'")
	g.add(h, "type", "create type extra as enum ('a')")
	g.add(h, "statistics", "create statistics extra on id, author_id from posts")
}

// stars are what C12 is about: no statement of the project has one.
func stars() []manifest.Statement {
	var out []manifest.Statement
	for _, table := range []string{"posts", "users", "farms", "products"} {
		out = append(out, manifest.Statement{Name: "Star_" + table, SQL: "select * from " + table + " order by id limit 3"})
	}
	return out
}
