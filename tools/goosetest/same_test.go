package goosetest

import (
	"database/sql"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/catalog"
	"github.com/platctl/platctl/internal/ops/migrate"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// folder has what the format has.
func folder() fs.FS {
	files := map[string]string{
		"1_tables.sql": `-- A comment; with a semicolon, before anything.
-- +goose Up
create table farms (id bigint generated always as identity primary key, name text not null default 'a;b', note text default $$it's; so$$);
-- another; one
comment on table farms is 'it''s -- no comment; and /* none */ either'; -- behind it
/* a block; comment */
insert into farms (name) values (E'a\'; b'), ('-- +goose Down');

-- +goose Down
drop table farms;
`,
		"2_function.sql": `-- +goose Up
-- +goose StatementBegin
create function rename_farm() returns trigger language plpgsql as $body$
declare x text := 'a;b';
begin
	new.name := x || $in$;$in$;
	return new;
end;
$body$;
-- +goose StatementEnd
create trigger rename_farm before update on farms for each row when (old.name is distinct from new.name) execute function rename_farm();

-- +goose Down
drop trigger rename_farm on farms;
drop function rename_farm();
`,
		"3_index.sql": `-- +goose NO TRANSACTION
-- +goose Up
create index concurrently farms_name on farms (name);
create unique index concurrently if not exists farms_note on farms (lower(name)) where note <> ';';

-- +goose Down
drop index concurrently if exists farms_note;
drop index concurrently farms_name;
`,
		"4_crlf.sql": strings.ReplaceAll(`-- +goose Up
create type state as enum ('open', 'shut;');
alter table farms
	add column state state not null
		default 'open';

-- +goose Down
alter table farms drop column state;
drop type state;
`, "\n", "\r\n"),
		"5_envsub.sql": `-- +goose ENVSUB ON
-- +goose Up
create table ${GOOSETEST_NAME} (id int default ${GOOSETEST_UNSET:-7});

-- +goose Down
drop table ${GOOSETEST_NAME};
`,
		"6_no_way_down.sql": `-- +goose Up
create schema apart;
create view apart.names as select name from farms;

-- +goose Down
drop schema apart cascade;
`,
		"7_grant.sql": `-- +goose Up
-- +goose StatementBegin
do $$
begin
	execute 'grant select on farms to pg_monitor';
	execute format('alter table farms add constraint named check (name <> %L)', ';');
end
$$;
-- +goose StatementEnd
-- +goose Down
revoke select on farms from pg_monitor;
alter table farms drop constraint named;
`,
	}
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// The same folder applied, and taken back, by goose and by platctl leaves the same schema; and platctl takes back what it has
// adopted from goose.
func TestSameSchema(t *testing.T) {
	t.Setenv("GOOSETEST_NAME", "from_environment")
	for name, files := range map[string]fs.FS{
		"what the format has": folder(),
		"this project":        os.DirFS("../../internal/api/postgres/migrations"),
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pgtest.Empty(t), pgtest.Empty(t)
			m, p := platctl(t, files), provider(t, files, theirs)
			empty := snapshot(t, ours)
			must(t)(m.Up(t.Context(), ours, 0))
			must(t)(p.Up(t.Context()))
			full := snapshot(t, ours)
			same(t, "up", full, snapshot(t, theirs))
			if len(full.Facts) < 30 {
				t.Errorf("only %d facts", len(full.Facts))
			}
			must(t)(m.Down(t.Context(), ours, 0))
			must(t)(p.DownTo(t.Context(), 0))
			down := snapshot(t, ours)
			same(t, "down", down, snapshot(t, theirs))
			if name != "this project" {
				same(t, "down and empty", down, empty)
			}
			must(t)(m.Up(t.Context(), ours, 0))
			must(t)(p.Up(t.Context()))
			same(t, "up again", snapshot(t, ours), full)
			must(t)(m.Adopt(t.Context(), theirs, ""))
			must(t)(m.Down(t.Context(), theirs, 0))
			same(t, "down of what goose applied", snapshot(t, theirs), down)
		})
	}
}

func platctl(t testing.TB, files fs.FS) *migrate.Migrator {
	t.Helper()
	m, err := migrate.New(files, migrate.Options{Env: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func provider(t testing.TB, files fs.FS, url string) *goose.Provider {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must(t testing.TB) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot reads the schema but for goose's own table.
func snapshot(t *testing.T, url string) *catalog.Snapshot {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	s, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var facts []catalog.Fact
	for _, f := range s.Facts {
		if !strings.Contains(f.Object, "goose_db_version") {
			facts = append(facts, f)
		}
	}
	return catalog.New(facts)
}

func same(t *testing.T, when string, a, b *catalog.Snapshot) {
	t.Helper()
	if d := catalog.Compare(a, b); d.Class != catalog.Identical {
		t.Errorf("%s: %s: lost %+v, gained %+v", when, d.Class, d.Lost, d.Gained)
	}
}
