package lint

import (
	"slices"
	"strings"
	"testing"
)

// ruleCase is a migration behind `before`, and the rules that it breaks.
type ruleCase struct {
	sql  string
	want string // ids with a space between, in the order of the list; empty: none
	opts Options
}

func pg(major int) Options { return Options{Server: Server{major, latest}} }

func indexCases() []ruleCase {
	return []ruleCase{
		{"create index i on t (a);", "L01", Options{}},
		{`CREATE INDEX ON ONLY "public"."t" USING btree (lower(b) text_pattern_ops DESC, a) INCLUDE (c) WITH (fillfactor=70) WHERE a > 0;`, "L01", Options{}},
		{"create /* concurrently */ index if not exists i on t -- concurrently\n (a);", "L01", Options{}},
		{"create index i on app.t (id);", "L01", Options{}},
		{"create index i on never_seen (id);", "L01", Options{}},
		{"set search_path = app; create table n (id int); set search_path = public; create index i on n (id);", "L01", Options{}},
		{"create unique index i on t (a);", "L01 C04", Options{}},
		{"create table n (a int); create index i on n (a); create unique index k on public.n (a);", "", Options{}},
		{`create table "n" (a int); create index i on n (a);`, "", Options{}},
		{`create table "N" (a int); create index i on n (a);`, "L01", Options{}},
		{"create temp table n (a int); create index i on n (a);", "", Options{}},
		{"create table if not exists t (a int); create index i on t (a);", "L01", Options{}},
		{"drop table t; create table t (a int); create index i on t (a);", "L31 C01", Options{}},
		{"create index i on only log (id);", "", Options{}},
		{"create index i on log (id);", "L01", Options{}},
		{noTx("create index concurrently i on t (a);"), "", Options{}},
		{noTx("create index concurrently i on log (id);"), "L04", Options{}},
		{noTx("alter table t add column x int; create unique index concurrently i on t (x);"), "", Options{}},
		{"drop index t_a;", "L02", Options{}},
		{"drop index if exists public.t_a, other cascade;", "L02", Options{}},
		{"drop index t_b;", "L02 C07", Options{}},
		{noTx("drop index concurrently t_a;"), "", Options{}},
		{"create table n (a int); create index i on n (a); drop index i;", "", Options{}},
		{"reindex table t;", "L03", Options{}}, {"reindex index t_a;", "L03", Options{}}, {"reindex (verbose) index other;", "L03", Options{}},
		{noTx("reindex schema public;"), "L03", Options{}}, {noTx("reindex index concurrently t_a;"), "", Options{}},
		{noTx("reindex (concurrently, verbose) table t;"), "", Options{}}, {noTx("reindex (concurrently false) table t;"), "L03", Options{}},
		{"create table n (a int); create index i on n (a); reindex index i;", "", Options{}},
		{"create index concurrently i on t (a);", "L04", Options{}},
		{"drop index concurrently t_a;", "L04", Options{}}, {"reindex table concurrently t;", "L04", Options{}},
		{"alter table log detach partition log_1 concurrently;", "L04", Options{}},
		{noTx("begin; create index concurrently i on t (a); commit;"), "L04", Options{}},
		{noTx("begin; select 1; commit; create index concurrently i on t (a);"), "", Options{}},
		{noTx("-- +goose StatementBegin\nselect 1; create index concurrently i on t (a);\n-- +goose StatementEnd"), "L04", Options{}},
		{"vacuum t;", "L04", Options{}}, {noTx("vacuum (analyze) t;"), "", Options{}},
		{noTx("create index concurrently if not exists i on t (a);"), "L05", Options{}},
		{noTx("drop index concurrently if exists i; create index concurrently i on t (a);"), "", Options{}},
	}
}

func constraintCases() []ruleCase {
	return []ruleCase{
		{"alter table t add foreign key (a) references u (id);", "L06 C04", Options{}},
		{"alter table only public.t add constraint k foreign key (a) references u on delete set null not valid;", "C04", Options{}},
		{"alter table log add foreign key (id) references t (id) not valid;", "L06 C04", Options{}},
		{"alter table log add foreign key (id) references t (id) not valid;", "C04", pg(18)},
		{contract("alter table t add foreign key (a) references u (id) not valid deferrable initially deferred;"), "", Options{}},
		{"create table n (id int references t (id), constraint k foreign key (id) references u (id));", "L33", Options{}},
		{"alter table t add column x bigint references u (id);", "L07", Options{}},
		{"alter table t add column x bigint references t (id) on delete cascade;", "", Options{}},
		{"create table n (id int primary key); alter table t add x int references n;", "", Options{}},
		{"alter table t add constraint k check (a > 0);", "L08 C04", Options{}},
		{"alter table t add constraint k check (a > 0) not valid;", "C04", Options{}},
		{"alter table t add column x int, add constraint k check (x > 0) not valid;", "", Options{}},
		{"alter table t add column x int check (x > 0);", "L09", Options{}},
		{"alter table t add column x posint;", "L09", Options{}}, {"alter table t add column x plain;", "", Options{}},
		{"alter table t add column x int check (x > a);", "L09 C04", Options{}},
		{"create table n (x int check (x > 0), check (x < 9)); alter table n add y int check (y > 0);", "", Options{}},
		{"alter table t add column x int; alter table t add constraint k check (x > 0) not valid; alter table t validate constraint k;", "L10 L32 L34", Options{}},
		{noTx("alter table t add column x int; alter table t add constraint k check (x > 0) not valid; alter table t validate constraint k;"), "", Options{}},
		{"alter table t validate constraint t_c_check;", "", Options{}},
		{"alter table t alter column a set not null;", "L11 C04", Options{}},
		{"alter table t alter c set not null;", "", Options{}},
		{"alter table t add constraint k not null a not valid;", "C04", pg(18)},
		{"alter table t add constraint k not null a;", "L11 C04", pg(18)},
		{"alter table t add constraint k not null a not valid;", "L11 C04", Options{}},
		{"alter table t add constraint k unique (a);", "L12 C04", Options{}},
		{"alter table t add unique nulls not distinct (a, b) include (c);", "L12 C04", Options{}},
		{"alter table t add constraint k unique using index t_b;", "", Options{}},
		{"alter table t add column x int unique;", "L13", Options{}},
		{"alter table t add column x int;", "", Options{}},
		{"alter table u add primary key (t_id);", "L14 C04", Options{}},
		{"alter table t add column x bigint primary key;", "L14 C03", Options{}},
		{"alter table u alter column id set not null, add constraint pk primary key using index u_id;", "T01", Options{}},
		{noTx("create unique index concurrently u_t on u (t_id); alter table u add primary key using index u_t;"), "L14 C04", Options{}},
		{noTx("create unique index concurrently u_id on u (id); alter table u add constraint pk primary key using index u_id;"), "C04", Options{}},
		{"alter table t add constraint k exclude using gist (ts with =, n with &&) where (a > 0);", "L15 C04", Options{}},
		{"create table n (a int, exclude using btree (a with =));", "", Options{}},
	}
}

func columnCases() []ruleCase {
	return []ruleCase{
		{"alter table t alter column a type bigint;", "L16 C06", Options{}},
		{"alter table t alter b type varchar(5);", "L16 C06", Options{}},
		{"alter table t alter c set data type varchar(255);", "L16 C06", Options{}},
		{"alter table t alter n type numeric(8,3);", "L16 C06", Options{}},
		{"alter table t alter ts type timestamptz;", "L16 C06", Options{}},
		{"alter table t alter b type varchar(20) using trim(b);", "L16", Options{}},
		{"alter table t alter b type character varying(20) using b::varchar(20);", "", Options{}},
		{"alter table t alter b type varchar;", "", Options{}}, {"alter table t alter b type text;", "", Options{}},
		{"alter table t alter n type numeric(12,2), alter b type varchar(20);", "", Options{}},
		{"set timezone = 'UTC'; alter table t alter ts type timestamptz;", "C06", Options{}},
		{"set time zone 'UTC'; reset timezone; alter table t alter ts type timestamp with time zone;", "L16 C06", Options{}},
		{"alter table t alter a type int4;", "", Options{}},
		{"alter table never_seen alter a type bigint;", "C06 T01", Options{}},
		{"alter table t alter c type varchar;", "L17", Options{}},
		{"alter table t add column x timestamptz default clock_timestamp();", "L18", Options{}},
		{"alter table t add column x uuid not null default gen_random_uuid(), add y int;", "L18", Options{}},
		{"alter table t add column x bigint default nextval('sq'::regclass);", "L18", Options{}},
		{"alter table t add column x double precision default pg_catalog.random();", "L18", Options{}},
		{"alter table t add column x timestamptz not null default now(), add y text default 'x' || 'y' not null, add z int default (1 + 2);", "", Options{}},
		{"alter table t add column x date default CURRENT_DATE, add y jsonb default jsonb_build_object('a', 1), add z int[] default '{}';", "", Options{}},
		{"alter table t add column x text default my_default();", "T01", Options{}},
		{"alter table t add column x text default public.now();", "T01", Options{}},
		{"alter table t alter a set default random();", "", Options{}},
		{"alter table t add column x serial;", "L19", Options{}}, {"alter table t add x bigserial not null;", "L19", Options{}},
		{"alter table t add column x int generated by default as identity (start 7);", "L19", Options{}},
		{"create table n (x bigserial, y int generated always as identity);", "", Options{}},
		{"alter table t add column x int generated always as (a * 2) stored;", "L20", Options{}},
		{"alter table t add column x int generated always as (a * 2) virtual;", "L20", Options{}},
		{"alter table t add column x int generated always as (a * 2) virtual;", "", pg(18)},
		{"alter table t add column x int generated always as (a * 2);", "", pg(18)},
	}
}

func objectCases() []ruleCase {
	return []ruleCase{
		{"alter table log attach partition log_old for values from ('2025-01-01') to ('2026-01-01');", "L21", Options{}},
		{"create table n (like log); alter table log attach partition n for values from (1) to (2);", "", Options{}},
		{"create table n partition of log for values from ('2026-02-01') to ('2026-03-01');", "L22", Options{}},
		{"create table p (a int) partition by list (a); create table n partition of p for values in (1); create table d partition of p default;", "", Options{}},
		{"alter table log detach partition log_1;", "L23", Options{}},
		{noTx("alter table log detach partition log_1 concurrently;"), "", Options{}},
		{noTx("alter table log detach partition log_1 concurrently;"), "L23", pg(13)},
		{noTx("vacuum full t;"), "L24", Options{}}, {noTx("vacuum (full, analyze) t (a);"), "L24", Options{}}, {noTx("vacuum (full false) t;"), "", Options{}},
		{"cluster t using t_a;", "L24", Options{}}, {"alter table t set unlogged;", "L24", Options{}}, {"alter table t set logged;", "L24", Options{}},
		{"alter table t set tablespace fast;", "L24", Options{}}, {"alter index t_a set tablespace fast;", "L24", Options{}},
		{"alter table all in tablespace a set tablespace b;", "L24", Options{}},
		{"alter table t cluster on t_a, set (fillfactor = 70), reset (fillfactor);", "", Options{}},
		{"refresh materialized view mv;", "L25", Options{}}, {"refresh materialized view concurrently mv with data;", "", Options{}},
		{"create materialized view w as select 1; refresh materialized view w;", "", Options{}},
		{"create trigger g after insert or update of a on t for each row execute function f();", "L26", Options{}},
		{"create table n (a int); create trigger g before insert on n for each row execute function f();", "", Options{}},
		{"create or replace view v as select id from t;", "L27", Options{}}, {"create view w as select id from t;", "", Options{}},
		{"create view w as select 1; create or replace view w as select 1;", "", Options{}},
		{"truncate t;", "L28", Options{}}, {"truncate table only u, t restart identity;", "L28 L33", Options{}}, {"truncate t cascade;", "L28 T01", Options{}},
		{"create table n (a int); truncate n;", "", Options{}},
	}
}

func holdingCases() []ruleCase {
	return []ruleCase{
		{"set local lock_timeout = 0;", "L29", Options{}}, {"set lock_timeout to '5s';", "L29", Options{}}, {"reset lock_timeout;", "L29", Options{}},
		{"select set_config('lock_timeout', '0', false);", "L29", Options{}}, {"reset all;", "L29", Options{}},
		{"-- platctl: lock_timeout 0\n-- +goose Up\nselect 1;\n", "L29", Options{}}, {"-- platctl: lock_timeout 1s\n-- +goose Up\nselect 1;\n", "", Options{}},
		{"set statement_timeout = '0ms';", "L30", Options{}}, {"set statement_timeout = '10min';", "", Options{}},
		{"-- platctl: statement_timeout 0\n-- +goose Up\nselect 1;\n", "L30", Options{}},
		{"alter table t add x int; create table n (a int);", "L31", Options{}}, {"create table n (a int); alter table t add x int; comment on table t is 'x';", "", Options{}},
		{"lock table t in share mode;", "L31", Options{}}, {"lock t in row exclusive mode;", "", Options{}}, {"lock table u;", "L31", Options{}},
		{noTx("alter table t add x int; create table n (a int);"), "", Options{}},
		{"alter table t add x int; create index i on t (x);", "L01 L31 L32", Options{}},
		{"create table n (a int); create index i on n (a); create index j on n (a);", "", Options{}},
		{"create trigger g after insert on t for each row execute function f(); create trigger g after insert on u for each row execute function f();", "L26 L33", Options{}},
		{"create trigger g after insert on t for each row execute function f(); create trigger h after insert on t for each row execute function f();", "L26", Options{}},
		{"alter table t add x int; alter table t add y int;", "L34", Options{}}, {"alter table t add x int, add y int;", "", Options{}},
		{"update t set a = 1;", "L35", Options{}}, {"delete from only t where true;", "L35", Options{}}, {"update t set a = 1 where a is null;", "", Options{}},
		{"alter table t add x int; update t set x = 1 where id = 1;", "L31 L35", Options{}},
		{"delete from t where id = 1; alter table t add x int;", "L35", Options{}},
		{"create table n (a int); insert into n values (1); update n set a = 2; alter table t add x int;", "", Options{}},
		{"create trigger g after insert on t for each row execute function f(); insert into u select id, id from t;", "L26 L35", Options{}},
		{"with gone as (delete from t returning id) select count(*) from gone;", "L35", Options{}},
		{"with old as (select id from t limit 10) delete from t using old where old.id = t.id;", "", Options{}},
	}
}

func ruleCases() []ruleCase {
	return slices.Concat(indexCases(), constraintCases(), columnCases(), objectCases(), holdingCases(), breakingCases(), unknownCases(), styleCases(), asideCases())
}

// quietly are rules that many cases break by the way; a case that is about one names it.
func quietly(rule, want string) bool {
	return rule == "C12" && !strings.Contains(want, rule)
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, tc := range ruleCases() {
		got, rep := judge(t, tc.opts, tc.sql)
		got = slices.DeleteFunc(got, func(r string) bool { return quietly(r, tc.want) })
		order := ids()
		slices.SortFunc(got, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
		want := strings.Fields(tc.want)
		slices.SortFunc(want, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
		if !slices.Equal(got, want) {
			t.Errorf("%s\n  breaks %v, want %v", tc.sql, got, want)
			for _, f := range rep.Findings {
				t.Logf("%s %s", f.Rule, f.Message)
			}
		}
	}
}

func ids() []string {
	var out []string
	for _, r := range Rules() {
		out = append(out, r.ID)
	}
	return out
}

// A rule without a case that breaks it, and one of its kind that doesn't, may be wrong without anybody noticing.
func TestEveryRuleHasCases(t *testing.T) {
	t.Parallel()
	broken := map[string]int{}
	quiet := map[string]bool{}
	groups := [][]ruleCase{indexCases(), constraintCases(), columnCases(), objectCases(), holdingCases(), breakingCases(), unknownCases(), styleCases(), asideCases()}
	for _, g := range groups {
		for _, tc := range g {
			for _, id := range strings.Fields(tc.want) {
				broken[id]++
				quiet[id] = quiet[id] || slices.ContainsFunc(g, func(o ruleCase) bool { return !strings.Contains(o.want, id) })
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if broken[r.ID] == 0 || !quiet[r.ID] {
			t.Errorf("%s %s: broken by %d cases, and kept by one in their group: %t", r.ID, r.Name, broken[r.ID], quiet[r.ID])
		}
		if seen[r.ID] || seen[r.Name] || r.Reason == "" || r.Safe == "" {
			t.Errorf("%s %s stands twice, or says too little", r.ID, r.Name)
		}
		seen[r.ID], seen[r.Name] = true, true
	}
}
