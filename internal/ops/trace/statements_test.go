package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/migrate"
)

// world has every kind of thing that the statements below change. Its tables are filled before the file that is judged.
const worldSQL = up + `
create extension if not exists btree_gist;
create table parent (id int primary key, code text not null);
create table t (id int not null, parent_id int, a int, b text, c int not null, v varchar(10), n numeric(8,2), at timestamp, checked int,
    constraint checked_known check (checked is not null));
create unique index t_id on t (id);
create index t_a on t (a);
create table small (id int primary key, t_id int);
create table keyed (id int primary key, x int);
create table child (id int primary key, keyed_id int references keyed);
create table nv (id int primary key, parent_id int, a int);
alter table nv add constraint nv_parent foreign key (parent_id) references parent not valid, add constraint nv_a check (a > 0) not valid;
create table parted (id int not null, x int) partition by range (id);
create table part_1 partition of parted for values from (0) to (1000000);
create table loose (id int not null, x int);
create table loose_ok (id int not null, x int);
create view vw as select id, c from t;
create materialized view mv as select id, c from t;
create unique index mv_id on mv (id);
create function tf() returns trigger language plpgsql as 'begin return new; end';
create unlogged table fast (id int primary key, x int);
`

// fits makes the rows of the world such that every statement below succeeds.
const prepareSQL = up + `
update t set v = left(v, 5), c = id, at = '2026-01-01';
update loose set id = id + 2000000;
update loose_ok set id = id + 3000000;
alter table loose_ok add constraint fits check (id >= 3000000 and id < 4000000);
refresh materialized view mv;
`

// kinds is the research's list: every statement kind with the locks, rewrites and scans that a server showed. A lock is written
// relation:Mode; what is new is left out. One with a ? is taken and given back within a stronger one by a statement that commits
// itself: an observer that looks every few milliseconds may miss it.
func kinds() []struct{ id, sql, locks, rewrites, scans string } {
	return []struct{ id, sql, locks, rewrites, scans string }{
		{"L01", "create index t_b on t (b)", "t:Share", "", "t"},
		{"L02", "drop index t_a", "t:AccessExclusive t_a:AccessExclusive", "", ""},
		{"L03", "reindex index t_a", "t:Share t_a:AccessExclusive", "t_a", "t"},
		{"L03", "reindex table small", "small:Share small_pkey:AccessExclusive", "small_pkey", "small"},
		{"L03", "!reindex index concurrently t_a", "t:ShareUpdateExclusive t_a:ShareUpdateExclusive", "t_a", "t"},
		{"L05", "!create index concurrently t_b on t (b)", "t:ShareUpdateExclusive", "", "t"},
		{"L05", "!create index concurrently if not exists t_a on t (a)", "t:ShareUpdateExclusive", "", ""},
		{"L02", "!drop index concurrently t_a", "t:ShareUpdateExclusive t_a:ShareUpdateExclusive", "", ""},
		{"L06", "alter table t add foreign key (parent_id) references parent", "t:ShareRowExclusive parent:ShareRowExclusive", "", "parent t"},
		{"L06", "alter table t add constraint fk foreign key (parent_id) references parent not valid", "t:ShareRowExclusive parent:ShareRowExclusive", "", ""},
		{"L06", "alter table nv validate constraint nv_parent", "nv:ShareUpdateExclusive parent:RowShare", "", "nv parent"},
		{"L07", "alter table t add column p int references parent", "t:AccessExclusive t:ShareRowExclusive parent:ShareRowExclusive", "", ""},
		{"L08", "alter table t add check (a > -1)", "t:AccessExclusive", "", "t"},
		{"L08", "alter table t add constraint k check (a > -1) not valid", "t:AccessExclusive", "", ""},
		{"L08", "alter table nv validate constraint nv_a", "nv:ShareUpdateExclusive", "", "nv"},
		{"L09", "alter table t add column d int check (d > 0)", "t:AccessExclusive", "", "t"},
		{"L10", "do $$ begin alter table t add constraint k check (a > -1) not valid; alter table t validate constraint k; end $$", "t:AccessExclusive", "", "t"},
		{"L11", "alter table t alter a set not null", "t:AccessExclusive", "", "t"},
		{"L11", "alter table t alter checked set not null", "t:AccessExclusive", "", ""},
		{"L12", "alter table t add constraint u unique (c)", "t:AccessExclusive t:Share", "", "t"},
		{"L12", "alter table t add constraint u unique using index t_id", "t:AccessExclusive t_id:ShareUpdateExclusive", "", ""},
		{"L13", "alter table t add column u int unique", "t:AccessExclusive t:Share", "", "t"},
		{"L14", "alter table t add primary key (c)", "t:AccessExclusive t:Share", "", "t"},
		{"L14", "alter table t add primary key using index t_id", "t:AccessExclusive t_id:AccessShare", "", ""},
		{"L15", "alter table t add exclude using gist (c with =)", "t:AccessExclusive t:Share", "", "t*2"},
		{"L16", "alter table t alter a type bigint", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L16", "alter table t alter v type varchar(20)", "t:AccessExclusive", "", ""},
		{"L16", "alter table t alter v type text", "t:AccessExclusive", "", ""},
		{"L16", "alter table t alter n type numeric(12,2)", "t:AccessExclusive", "", ""},
		{"L16", "alter table t alter at type timestamptz", "t:AccessExclusive", "", ""},
		{"L16", "alter table t alter v type varchar(5)", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L16", "alter table t alter b type varchar(255)", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L16", "alter table t alter n type numeric(12,3)", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L17", "alter table t alter checked type bigint", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L18", "alter table t add column w timestamptz default clock_timestamp()", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L18", "alter table t add column w uuid default gen_random_uuid()", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L18", "alter table t add column w timestamptz default now()", "t:AccessExclusive", "", ""},
		{"L18", "alter table t add column w int not null default 7", "t:AccessExclusive", "", ""},
		{"L19", "alter table t add column w serial", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L19", "alter table t add column w int generated always as identity", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L20", "alter table t add column w int generated always as (a * 2) stored", "t:AccessExclusive t:Share", "t t_a t_id", "t*3"},
		{"L21", "alter table parted attach partition loose for values from (2000000) to (3000000)", "parted:ShareUpdateExclusive loose:AccessExclusive", "", "loose"},
		{"L21", "alter table parted attach partition loose_ok for values from (3000000) to (4000000)", "parted:ShareUpdateExclusive loose_ok:AccessExclusive", "", ""},
		{"L22", "create table part_2 partition of parted for values from (5000000) to (6000000)", "parted:AccessExclusive", "", ""},
		{"L23", "alter table parted detach partition part_1", "parted:AccessExclusive part_1:AccessExclusive", "", ""},
		{"L23", "!alter table parted detach partition part_1 concurrently", "parted:ShareUpdateExclusive part_1:AccessExclusive", "", ""},
		{"L24", "!vacuum full small", "small:AccessExclusive small:Share?", "small small_pkey", "small"},
		{"L24", "cluster t using t_a", "t:AccessExclusive t:Share t_a:AccessExclusive", "t t_a t_id", "t"},
		{"L24", "alter table fast set logged", "fast:AccessExclusive fast:Share", "fast fast_pkey", "fast"},
		{"L24", "alter table small set unlogged", "small:AccessExclusive small:Share", "small small_pkey", "small"},
		{"L25", "refresh materialized view mv", "mv:AccessExclusive mv:Exclusive mv:Share", "mv mv_id", "mv t"},
		{"L25", "refresh materialized view concurrently mv", "mv:Exclusive", "", "mv t"},
		{"L25", "!refresh materialized view mv", "mv:AccessExclusive mv:Exclusive? mv:Share?", "mv mv_id", "mv t"},
		{"L26", "create trigger tr before update on t for each row execute function tf()", "t:ShareRowExclusive", "", ""},
		{"L27", "create or replace view vw as select id, c, c + 1 as more from t", "vw:AccessExclusive", "", ""},
		{"L28", "truncate small", "small:AccessExclusive small:Share", "", ""},
		{"L28", "truncate keyed cascade", "keyed:AccessExclusive keyed:Share child:AccessExclusive child:Share", "", ""},
		// What was there and is gone has its locks too, and the foreign keys' other ends.
		{"C01", "drop table small", "small:AccessExclusive small_pkey:AccessExclusive", "", ""},
		{"C01", "drop table child", "child:AccessExclusive keyed:AccessExclusive", "", ""},
		{"C01", "drop view vw", "vw:AccessExclusive", "", ""},
		{"C01", "drop materialized view mv", "mv:AccessExclusive", "", ""},
		{"C01", "alter table t drop column b", "t:AccessExclusive", "", ""},
		{"C02", "alter table small rename to little", "small:AccessExclusive", "", ""},
		{"C02", "alter table t rename column b to bb", "t:AccessExclusive", "", ""},
		{"C03", "alter table t add column w int", "t:AccessExclusive", "", ""},
		{"C05", "alter table t alter c drop not null", "t:AccessExclusive", "", ""},
		{"C07", "alter table child drop constraint child_keyed_id_fkey", "child:AccessExclusive keyed:AccessExclusive", "", ""},
		{"C09", "alter table t enable row level security", "t:AccessExclusive", "", ""},
		{"C10", "create trigger tr before insert on small for each row execute function tf()", "small:ShareRowExclusive", "", ""},
		{"L35", "update t set a = a + 1", "t:RowExclusive", "", "t"},
		{"L35", "!alter table t add column w int", "t:AccessExclusive", "", ""},
	}
}

// lockless are rules without a lock of their own.
func lockless() map[string]string {
	return map[string]string{"L04": "an error: nothing is locked; TestFailures"}
}

// worldTemplate is the world with 500 rows a table, made such that every statement succeeds.
func worldTemplate() pgtest.Template {
	return pgtest.Template{Name: "traceworld", Key: worldSQL + prepareSQL, Build: func(ctx context.Context, url string) error {
		m, err := migrate.New(folder("1_world.sql", worldSQL, "2_fit.sql", prepareSQL), migrate.Options{})
		if err != nil {
			return err
		}
		if _, err := m.Up(ctx, url, 1); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		unfilled, err := fill(ctx, conn, 500)
		if len(unfilled) > 0 {
			err = fmt.Errorf("unfilled: %v", unfilled)
		}
		if cerr := conn.Close(ctx); err == nil {
			err = cerr
		}
		if err == nil {
			_, err = m.Up(ctx, url, 0)
		}
		return err
	}}
}

func TestEveryStatementKind(t *testing.T) {
	t.Parallel()
	for i, k := range kinds() {
		t.Run(fmt.Sprintf("%s/%d", k.id, i), func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t, worldTemplate())
			sql, begin := k.sql, up
			if rest, ok := strings.CutPrefix(k.sql, "!"); ok {
				sql, begin = rest, noTx
			}
			rep := mustTrace(t, Options{Server: url, Template: database(t, url), Files: folder("1_world.sql", worldSQL, "2_fit.sql", prepareSQL,
				"3_it.sql", begin+"-- +goose StatementBegin\n"+sql+";\n-- +goose StatementEnd\n")})
			st := rep.Files[0].Up[0]
			var locks []string
			for _, l := range st.Locks {
				if !l.New {
					locks = append(locks, l.Relation+":"+l.Mode.String())
				}
			}
			for _, want := range strings.Fields(k.locks) {
				if !strings.HasSuffix(want, "?") && !slices.Contains(locks, want) {
					t.Errorf("%s: no lock %s among %v", sql, want, locks)
				}
			}
			checkOthers(t, sql, k.locks, st)
			if got := strings.Join(st.Rewrites, " "); got != k.rewrites {
				t.Errorf("%s rewrites %q, expected %q", sql, got, k.rewrites)
			}
			if got := scansOf(st, strings.Contains(k.scans, "*")); got != k.scans {
				t.Errorf("%s reads %q, expected %q", sql, got, k.scans)
			}
		})
	}
}

// checkOthers fails where something else is locked so that requests stop, or more strongly than expected.
func checkOthers(t *testing.T, sql, want string, st *Statement) {
	t.Helper()
	for _, l := range st.stops() {
		if !strings.Contains(" "+strings.ReplaceAll(want, "?", "")+" ", " "+l.Relation+":"+l.Mode.String()+" ") {
			t.Errorf("%s: a lock nobody expects: %s:%s", sql, l.Relation, l.Mode)
		}
	}
}

// scansOf names what was read whole, and where it counts, how often.
func scansOf(st *Statement, passes bool) string {
	var out []string
	for _, s := range st.Scans {
		if s.New {
			continue
		}
		name := s.Table
		if passes && s.Passes > 1 {
			name = fmt.Sprintf("%s*%d", name, s.Passes)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// Every rule of the list that blocks traffic has a statement.
func TestTheListIsWhole(t *testing.T) {
	t.Parallel()
	has := lockless()
	for _, k := range kinds() {
		has[k.id] = k.sql
	}
	for i := 1; i <= 28; i++ {
		if id := fmt.Sprintf("L%02d", i); has[id] == "" {
			t.Errorf("%s has no statement", id)
		}
	}
}
