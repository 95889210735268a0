package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/postgres"
	"github.com/platctl/platctl/internal/api/seed"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/base/pg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
	"github.com/platctl/platctl/internal/ops/compat"
)

// oracle finds out by running them what becomes of the release's statements on another schema, and holds compat against it.
type oracle struct {
	t        testing.TB
	url      string // of the filled database, whom nobody is connected to
	role     string
	contract *manifest.SQLContract
	calls    []call
	before   []outcome
	unsteady map[string]bool
}

type noHash struct{}

func (noHash) Hash(context.Context, string) (string, error) { return "unused", nil }

func dial(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), url, "oracle")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// newOracle fills a database with rows, by the seeder and then by the release's own statements, and chooses parameters for each.
func newOracle(t testing.TB) *oracle {
	t.Helper()
	o := &oracle{t: t, role: "oracle_" + strings.ToLower(rand.Text()[:10]), unsteady: map[string]bool{}}
	base := apitest.Template(t)
	url := pgtest.New(t, base)
	conn := dial(t, url)
	command(t, conn, "create role "+o.role)
	t.Cleanup(func() { // the clone is dropped later, but holds grants
		conn, err := pg.Connect(context.Background(), url, "oracle")
		if err == nil {
			_, err = conn.Exec(context.Background(), "drop owned by "+o.role+"; drop role "+o.role, pgx.QueryExecModeSimpleProtocol)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	if _, err := seed.Run(t.Context(), conn, seed.Options{Scale: seed.Scales()[0], Seed: 1, Hasher: noHash{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	queries, err := compat.ReadQueries(postgres.Queries())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stars() {
		queries = append(queries, compat.Query{Name: s.Name, SQL: s.SQL})
	}
	command(t, conn, "grant usage on schema public to "+o.role+"; grant all on all tables in schema public to "+o.role+"; grant all on all sequences in schema public to "+o.role)
	if o.contract, err = compat.Make(t.Context(), conn, "", queries); err != nil {
		t.Fatal(err)
	}
	o.choose(conn, queries)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.url = url
	o.fix()
	return o
}

// fix runs everything twice on the same schema. What differs between the two runs, such as a random token, says nothing later.
func (o *oracle) fix() {
	o.t.Helper()
	first, drop, _ := o.clone("select 1")
	o.before = truth(o.t, first, o.role, o.calls)
	drop()
	second, drop, _ := o.clone("select 1")
	again := truth(o.t, second, o.role, o.calls)
	drop()
	for i, c := range o.calls {
		for column, n := range again[i].written {
			if was := o.before[i].written[column]; was == nil || was.Cmp(n) != 0 {
				o.unsteady[c.statement.Name+" "+column] = true
			}
		}
		if h := hazard(c, o.before[i], again[i], o.unsteady); h != "" {
			o.t.Fatalf("two runs on one schema differ: %s", h)
		}
	}
}

// admin returns a connection to the server's own database.
func (o *oracle) admin() *pgx.Conn { return dial(o.t, o.named("postgres")) }

// named returns the URL of another database of the server.
func (o *oracle) named(database string) string {
	cfg, err := pgx.ParseConfig(o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	return strings.Replace(o.url, "/"+cfg.Database, "/"+database, 1)
}

// choose finds parameters for every statement. Statements that add rows are run for good first, so that later ones find rows in
// tables that the seeder leaves empty.
func (o *oracle) choose(conn *pgx.Conn, queries []compat.Query) {
	o.t.Helper()
	const rounds, tries = 3, 60
	for round := range rounds + 1 {
		c := newChooser(o.t, conn, o.tables(conn))
		for i, s := range o.contract.Statements {
			if round < rounds && len(s.Inserts) == 0 {
				continue
			}
			n := tries
			if round == rounds {
				n = 8 * tries
			}
			command(o.t, conn, "begin")
			found, ran := c.find(o.t, conn, s, queries[i].Params, n)
			if ran && found.effect && round < rounds {
				if res := perform(o.t.Context(), conn, found); res.Err == nil {
					command(o.t, conn, "commit")
					continue
				}
			}
			command(o.t, conn, "rollback")
			if ran && round == rounds {
				o.calls = append(o.calls, found)
			}
		}
	}
}

func (o *oracle) tables(conn *pgx.Conn) []string {
	o.t.Helper()
	rows, err := conn.Query(o.t.Context(), "select 'public.' || quote_ident(relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1")
	if err != nil {
		o.t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

// clone makes a copy of the filled database, with a change applied. False: the change doesn't apply to these rows.
func (o *oracle) clone(sql string) (url string, drop func(), ok bool) {
	o.t.Helper()
	name := "t_" + strings.ToLower(rand.Text()[:16])
	cfg, err := pgx.ParseConfig(o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	admin := o.admin()
	defer admin.Close(o.t.Context())
	command(o.t, admin, "create database "+name+" template "+cfg.Database)
	drop = func() {
		admin := o.admin()
		defer admin.Close(o.t.Context())
		command(o.t, admin, "drop database "+name+" with (force)")
	}
	url = o.named(name)
	conn := dial(o.t, url)
	defer conn.Close(o.t.Context())
	return url, drop, conn.PgConn().Exec(o.t.Context(), sql).Close() == nil
}

// try asks compat, and then the statements themselves.
func (o *oracle) try(a alteration) (verdict compat.Verdict, truthful string, ok bool) {
	o.t.Helper()
	url, drop, ok := o.clone(a.sql)
	defer drop()
	if !ok {
		return "", "", false
	}
	contract, calls := o.plain()
	if a.rule == "C12" {
		contract, calls = o.contract, o.calls
	}
	conn := dial(o.t, url)
	defer conn.Close(o.t.Context())
	r, err := compat.Judge(o.t.Context(), conn, contract, compat.Options{Role: o.role})
	if err != nil {
		o.t.Fatal(a.kind, err)
	}
	for i, after := range truth(o.t, url, o.role, calls) {
		if h := hazard(calls[i], o.before[i], after, o.unsteady); h != "" {
			return r.Verdict, h, true
		}
	}
	return r.Verdict, "", true
}

// plain leaves the stars, which are the last, out.
func (o *oracle) plain() (*manifest.SQLContract, []call) {
	star := func(s manifest.Statement) bool { return strings.HasPrefix(s.Name, "Star_") }
	c := *o.contract
	c.Statements = slices.DeleteFunc(slices.Clone(c.Statements), star)
	return &c, slices.DeleteFunc(slices.Clone(o.calls), func(c call) bool { return star(c.statement) })
}

// matrix counts what compat said against what is true.
type matrix struct {
	rules                   map[string]*[4]int // hazards found and missed, harmless changes flagged and let pass
	misses, alarms, skipped []string
	surprises               []string // meant to be harmless, and aren't
}

func (m *matrix) add(a alteration, v compat.Verdict, truthful string) {
	if m.rules[a.rule] == nil {
		m.rules[a.rule] = &[4]int{}
	}
	n := m.rules[a.rule]
	if a.rule == harmless && truthful != "" {
		m.surprises = append(m.surprises, fmt.Sprintf("%s %s: %s, and %s", a.rule, a.kind, v, truthful))
	}
	switch proven := v == compat.Proven; {
	case truthful != "" && !proven:
		n[0]++
	case truthful != "":
		n[1]++
		m.misses = append(m.misses, fmt.Sprintf("%s %s: proven, but %s", a.rule, a.kind, truthful))
	case !proven:
		n[2]++
		m.alarms = append(m.alarms, fmt.Sprintf("%s %s: %s, and every statement runs as before", a.rule, a.kind, v))
	default:
		n[3]++
	}
}

// sum adds the rows of some rules up.
func (m *matrix) sum(take func(rule string) bool) (out [4]int) {
	for rule, n := range m.rules {
		for i := range out {
			if take(rule) {
				out[i] += n[i]
			}
		}
	}
	return out
}

func (m *matrix) String() string {
	var b strings.Builder
	line := func(name string, n [4]int) {
		fmt.Fprintf(&b, "%-10s %14d %15d %17d %18d\n", name, n[0], n[1], n[2], n[3])
	}
	fmt.Fprintf(&b, "%-10s %14s %15s %17s %18s\n", "RULE", "HAZARD: FOUND", "HAZARD: MISSED", "HARMLESS: FLAGGED", "HARMLESS: PROVEN")
	for _, rule := range slices.Sorted(maps.Keys(m.rules)) {
		line(rule, *m.rules[rule])
	}
	line("all", m.sum(func(string) bool { return true }))
	return b.String()
}

// run tries every change.
func (o *oracle) run(list []alteration) *matrix {
	o.t.Helper()
	m := &matrix{rules: map[string]*[4]int{}}
	for _, a := range list {
		v, truthful, ok := o.try(a)
		if !ok {
			m.skipped = append(m.skipped, a.rule+" "+a.kind)
			continue
		}
		m.add(a, v, truthful)
	}
	return m
}

// coverage tells how many of the statements the oracle runs, and how many with an effect.
func (o *oracle) coverage() (ran, effect, all int, without []string) {
	_, calls := o.plain()
	c, _ := o.plain()
	seen := map[string]bool{}
	for _, c := range calls {
		if seen[c.statement.Name] = c.effect; c.effect {
			effect++
		}
	}
	for _, s := range c.Statements {
		if !seen[s.Name] {
			without = append(without, s.Name)
		}
	}
	return len(calls), effect, len(c.Statements), without
}

func (o *oracle) changes(per int) []alteration {
	o.t.Helper()
	conn := dial(o.t, o.url)
	defer conn.Close(o.t.Context())
	return newGenerator(o.t, conn, o.calls, per).changes(o.role)
}

// check fails on a missed hazard, on a rule that was tried too little, and on too many false alarms.
func (m *matrix) check(t testing.TB, variants int) {
	t.Helper()
	for _, miss := range m.misses {
		t.Error("missed: " + miss)
	}
	for i := 1; i <= 12; i++ {
		rule := fmt.Sprintf("C%02d", i)
		n := m.sum(func(r string) bool { return r == rule })
		if n[0]+n[1] < variants {
			t.Errorf("%s: %d hazards, want %d or more", rule, n[0]+n[1], variants)
		}
	}
	n := m.sum(func(r string) bool { return r == harmless })
	if n[2]*4 > n[2]+n[3] {
		t.Errorf("%d of %d harmless changes are flagged, more than a quarter", n[2], n[2]+n[3])
	}
}

// short takes two changes of each rule, and a third of the harmless ones.
func short(list []alteration) (out []alteration) {
	had := map[string]int{}
	for _, a := range list {
		if had[a.rule]++; had[a.rule] <= 2 || a.rule == harmless && had[a.rule]%3 == 0 {
			out = append(out, a)
		}
	}
	return out
}

// Whether compat is right is found out by running the release's statements on the changed schema, on rows.
func TestCompatAgainstTheOracle(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	ran, effect, all, without := o.coverage()
	if effect*10 < all*7 {
		t.Errorf("only %d of %d statements run with an effect; without: %v", effect, all, without)
	}
	m := o.run(short(o.changes(1)))
	t.Logf("%d of %d statements run, %d with an effect\n%s", ran, all, effect, m)
	m.check(t, 1)
}

// BenchmarkCompatOracle prints the confusion matrix of all changes.
func BenchmarkCompatOracle(b *testing.B) {
	o := newOracle(b)
	ran, effect, all, without := o.coverage()
	var m *matrix
	for b.Loop() {
		m = o.run(o.changes(3))
	}
	b.ReportMetric(0, "ns/op")
	fmt.Printf("\n%d of %d statements run on rows, %d with an effect; without: %s\n%s", ran, all, effect, strings.Join(without, ", "), m)
	for _, s := range slices.Concat(m.misses, m.surprises, m.alarms, m.skipped) {
		fmt.Println(s)
	}
	m.check(b, 3)
}

// BenchmarkCompat judges the whole contract and reports the time of one statement.
func BenchmarkCompat(b *testing.B) {
	url := pgtest.New(b, apitest.Template(b))
	c, err := manifest.ParseContract(postgres.Contract())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		conn := dial(b, url)
		r, err := compat.Judge(b.Context(), conn, c, compat.Options{})
		if err != nil || r.Verdict != compat.Proven {
			b.Fatal(err, r.Findings)
		}
		_ = conn.Close(b.Context())
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(c.Statements))/1000, "ms/statement")
	b.ReportMetric(0, "ns/op")
}
