package compat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const shop = `
create type mood as enum ('sad', 'glad');
create table farm (id bigint generated always as identity primary key, name text not null check (name <> ''), mood mood not null default 'glad',
	code varchar(10), size numeric(8,2), visits integer not null default 0, note text);
create unique index farm_name_key on farm (lower(name));
create table product (id bigint generated always as identity primary key, farm_id bigint not null references farm on delete cascade,
	name text not null, price bigint not null check (price >= 0), unique (farm_id, name));
grant select on farm to public;
create table unused (id bigint primary key, note text not null);
create function open_farms(m mood) returns setof farm language sql stable as $$ select f.* from farm f where f.mood = m $$;
create table pair (a int, b int);
create function pairs() returns table (a int, b int) language sql volatile as $$ select * from pair $$;
create view cheap as select p.id, p.name, f.name as farm from product p join farm f on f.id = p.farm_id where p.price < 100;
create table log (id bigint generated always as identity primary key, what text);
create function note_product() returns trigger language plpgsql as $$ begin insert into log (what) values (new.name); return new; end $$;
create trigger product_log after insert on product for each row execute function note_product();`

func shopQueries() []Query {
	return []Query{
		{Name: "AddFarm", SQL: "insert into farm (name, code) values ($1, $2) returning id, mood"},
		{Name: "Farm", SQL: "select id, name, size from farm where id = $1"},
		{Name: "OpenFarms", SQL: "select id, name from open_farms($1)"},
		{Name: "AddProduct", SQL: "insert into product (farm_id, name, price) values ($1, $2, $3) on conflict (farm_id, name) do update set price = excluded.price"},
		{Name: "Cheap", SQL: "select name, farm from cheap"},
		{Name: "Pairs", SQL: "select a from pairs()"},
		{Name: "Visit", SQL: "update farm set visits = visits + 1 where id = $1"},
		{Name: "RemoveFarm", SQL: "delete from farm where id = $1"},
	}
}

func open(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), url, "compat test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if err := conn.PgConn().Exec(t.Context(), sql).Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func shopTemplate() pgtest.Template {
	return pgtest.Template{Name: "compat", Key: fmt.Sprint(len(shop), shop[:40]) + digest(shop)[:20], Build: func(ctx context.Context, url string) error {
		conn, err := pg.Connect(ctx, url, "compat test")
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return conn.PgConn().Exec(ctx, shop).Close()
	}}
}

func shopContract(t testing.TB) *manifest.SQLContract {
	t.Helper()
	c, err := Make(t.Context(), open(t, pgtest.New(t, shopTemplate())), "shop", shopQueries())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func judged(t testing.TB, url string, c *manifest.SQLContract, o Options) *Report {
	t.Helper()
	r, err := Judge(t.Context(), open(t, url), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a statement needs is what the server says: through views, functions, triggers and cascades.
func TestMake(t *testing.T) {
	t.Parallel()
	c := shopContract(t)
	by := map[string]manifest.Statement{}
	for _, s := range c.Statements {
		by[s.Name] = s
	}
	for name, want := range map[string]string{
		"Farm":       "[{public.farm [id name size]}]",
		"OpenFarms":  "[{public.farm [code id mood name note size visits]}]",
		"Cheap":      "[{public.cheap [farm name]} {public.farm [id name]} {public.product [farm_id id name price]}]",
		"Visit":      "[{public.farm [id visits]}]",
		"AddProduct": "[{public.log [*]} {public.product [farm_id id name price]}]",
	} {
		if got := fmt.Sprint(by[name].Uses); got != want {
			t.Errorf("%s uses %s, want %s", name, got, want)
		}
	}
	for what, got := range map[string]bool{
		"AddProduct's inserts": fmt.Sprint(by["AddProduct"].Inserts) == "[public.product]", "its updates": fmt.Sprint(by["AddProduct"].Updates) == "[public.product]",
		"its arbiter":    fmt.Sprint(by["AddProduct"].Conflicts) == "[public.product_farm_id_name_key]",
		"its trigger":    fmt.Sprint(by["AddProduct"].Indirect) == "[public.log]",
		"a cascade":      fmt.Sprint(by["RemoveFarm"].Indirect) == "[public.product]",
		"a function":     fmt.Sprint(by["OpenFarms"].Functions) == "[public.open_farms(public.mood)]",
		"an enum":        fmt.Sprint(by["AddFarm"].Types) == "[public.mood]" && by["AddFarm"].Columns[1].Type == "public.mood",
		"a NOT NULL":     by["Farm"].Columns[1].From == "public.farm.name" && by["Farm"].Columns[2].From == "",
		"what is unused": !strings.Contains(fmt.Sprint(c.Facts), "unused"),
	} {
		if !got {
			t.Errorf("%s is missing in %+v", what, by)
		}
	}
}

// Each change gets its verdict.
func TestJudge(t *testing.T) {
	t.Parallel()
	c := shopContract(t)
	for _, tt := range []struct {
		change, want string // the verdict, then what the first finding says
	}{
		{"select 1", "proven"},
		{"alter table farm drop code", "broken 42703 AddFarm"},
		{"drop table product cascade", "broken 42P01 Cheap"},
		{"alter table farm rename size to area", "broken 42703 Farm"},
		{"alter table farm add motto text not null", "broken 23502 column public.farm.motto is NOT NULL without a default"},
		{"alter table farm alter note set not null", "unproven - column public.farm.note is NOT NULL now"},
		{"alter table farm alter name drop not null", "unproven - column public.farm.name may be NULL now"},
		{"alter table farm alter visits type bigint", "proven"},
		{"alter table farm alter size type numeric(12,2)", "proven"},
		{"alter table farm alter size type numeric(12,4)", "unproven - column public.farm.size is numeric(12,4) now"},
		{"drop function open_farms; alter table farm alter code type varchar(5); " + openFarms, "unproven - column public.farm.code is character varying(5) now"},
		{"alter table product drop constraint product_farm_id_name_key", "broken 42P10 AddProduct"},
		{"alter table product add check (price < 10) not valid", "unproven - constraint public.product.product_price_check1 is new"},
		{"create trigger b before insert on product for each row execute function note_product()", "unproven - trigger public.product.b is new"},
		{"alter type mood add value 'so'", "unproven - type public.mood is"},
		{"alter table farm enable row level security", "unproven - public.farm has row security"},
		{"create or replace function open_farms(m mood) returns setof farm language sql stable as $$ select f.* from farm f $$", "unproven - function public.open_farms(public.mood) has another definition"},
		{"create table tag (farm_id bigint references farm)", "unproven - public.tag.tag_farm_id_fkey is new"},
		{"create table tag (farm_id bigint references farm on delete cascade)", "proven"},
		{"alter table farm add motto text, add stars int default 3, add at timestamptz not null default now()", "proven"},
		{"alter table farm add rating int check (rating between 1 and 5), add slug text unique", "proven"},
		{"alter table farm add rating int; alter table farm add check (rating is not null) not valid", "unproven - constraint public.farm.farm_rating_check is new"},
		{"create function open_farms(m text) returns setof farm language sql stable as 'select * from farm'", "unproven - function public.open_farms(text) has the name"},
		{"alter table log add extra text", "proven"},
		{"alter table pair add extra text", "unproven - column public.pair.extra is new, and a function takes the rows"},
		{"create index on product (price)", "proven"},
		{"create index on product (price) include (name) where price is not null", "proven"},
		{"create table parent (id bigint primary key); alter table product add parent_id bigint references parent", "proven"},
		{"alter table product rename price to cents; alter table product add price bigint not null default 0", "broken 23502 column public.product.cents"},
		{"revoke select on farm from public", "unproven - the right on table public.farm is revoked"},
		{"create index on product ((100 / price))", "unproven - index public.product_expr_idx computes something"},
		{"create index on product ((price * 1000))", "unproven - index public.product_expr_idx computes something"},
		{"create index on product ((name::int)) where false", "unproven - index public.product_name_idx computes something"},
		{"create index on product ((price::text))", "proven"},
		{"alter table product add twice bigint generated always as (price * 2) stored", "unproven - column public.product.twice is computed"},
		{"alter table product add until timestamptz default now() + interval '1 day'", "proven"},
		{"create index on product using gin (to_tsvector('simple', name))", "unproven - index public.product_to_tsvector_idx computes something"},
		{"create unique index on product (price)", "unproven - unique index public.product_price_idx is new"},
		{"drop table unused; create table other (id int)", "proven"},
		{"alter table farm rename constraint farm_name_check to other", "unproven - constraint public.farm.farm_name_check is gone"},
	} {
		t.Run(tt.change, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t, shopTemplate())
			run(t, open(t, url), tt.change)
			r := judged(t, url, c, Options{})
			got := string(r.Verdict)
			if len(r.Findings) > 0 {
				f := r.Findings[0]
				state := f.SQLState
				if state == "" {
					state = "-"
				}
				got += " " + state + " " + f.Reason
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "proven" && got != "proven" {
				t.Errorf("got  %s\nwant %s\nall  %+v", got, tt.want, r.Findings)
			}
		})
	}
}

const openFarms = "create function open_farms(m mood) returns setof farm language sql stable as $$ select f.* from farm f where f.mood = m $$"

// A table that somebody has locked is no reason to wait, and no verdict.
func TestBusyTableIsInconclusive(t *testing.T) {
	t.Parallel()
	c := shopContract(t)
	url := pgtest.New(t, shopTemplate())
	run(t, open(t, url), "begin; lock table farm")
	r := judged(t, url, c, Options{})
	if err := r.Answer(); r.Verdict != Inconclusive || !errors.Is(err, fault.Inconclusive) {
		t.Errorf("%s, %v: %+v", r.Verdict, err, r.Findings)
	}
}

// What can't prove anything doesn't.
func TestThinContracts(t *testing.T) {
	t.Parallel()
	c := shopContract(t)
	url := pgtest.New(t, shopTemplate())
	old := *c
	old.Facts = nil
	for name, tt := range map[string]struct {
		c    *manifest.SQLContract
		o    Options
		want string
	}{
		"no statements":     {&manifest.SQLContract{}, Options{}, "unproven its SQL contract has no statements"},
		"no facts":          {&old, Options{}, "unproven its SQL contract was made before facts were kept"},
		"an older database": {c, Options{Min: 7}, "broken it needs schema 7, and this one is at 0"},
	} {
		r := judged(t, url, tt.c, tt.o)
		if got := string(r.Verdict) + " " + r.Findings[0].Reason; !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if _, err := Judge(t.Context(), open(t, url), c, Options{App: "bakery"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("another app's contract: %v", err)
	}
}
