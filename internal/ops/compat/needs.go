package compat

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/ops/sqltoken"
)

//go:embed sql/uses.sql
var sqlUses string

// What stands beside the columns of a relation.
const (
	anything = "*" // all of them
	whole    = "+" // its rows are taken as a whole, so a new column may matter
)

// needs is what a statement depends on.
type needs struct {
	relations map[string]map[string]bool // relation -> columns
	functions map[string]bool
	types     map[string]bool
	writes    map[string]map[event]bool // relations that are written to, by whomever
	indirect  map[string]bool           // those that triggers, functions and cascades write to
}

// event is what fires a trigger.
type event string

const (
	inserted event = "INSERT"
	updated  event = "UPDATE"
	deleted  event = "DELETE"
)

func newNeeds() *needs {
	return &needs{relations: map[string]map[string]bool{}, functions: map[string]bool{}, types: map[string]bool{},
		writes: map[string]map[event]bool{}, indirect: map[string]bool{}}
}

func (n *needs) write(relation string, events ...event) {
	if n.writes[relation] == nil {
		n.writes[relation] = map[event]bool{}
	}
	for _, e := range events {
		n.writes[relation][e] = true
	}
}

func (n *needs) column(relation, column string) {
	if n.relations[relation] == nil {
		n.relations[relation] = map[string]bool{}
	}
	if column != "" {
		n.relations[relation][column] = true
	}
}

// depends asks the server what a statement depends on: it makes a temporary function of it, whose dependencies are kept, and takes
// it back. False where it can't be the body of a function.
func (w *world) depends(ctx context.Context, tx pgx.Tx, n *needs, args, sql string) (bool, error) {
	sp, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = sp.Rollback(context.WithoutCancel(ctx)) }()
	var oid uint32
	make := "create function pg_temp.platctl_look(" + args + ") returns void language sql begin atomic " + strings.TrimRight(sql, "; \t\n") + "\n; end"
	if err := sp.Conn().PgConn().Exec(ctx, make).Close(); err != nil {
		return false, ctx.Err()
	}
	if err := sp.QueryRow(ctx, "select oid from pg_proc where proname = 'platctl_look' and pronamespace = pg_my_temp_schema()").Scan(&oid); err != nil {
		return false, err
	}
	return true, w.dependencies(ctx, sp, n, oid)
}

// dependencies adds what the server says a function depends on.
func (w *world) dependencies(ctx context.Context, tx pgx.Tx, n *needs, oid uint32) error {
	return complete(ctx, tx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlUses, oid)
		if err != nil {
			return err
		}
		var kind, name, column string
		_, err = pgx.ForEachRow(rows, []any{&kind, &name, &column}, func() error {
			name := plain(name)
			switch kind {
			case "column":
				n.column(name, plain(column))
			case "function":
				n.functions[name] = true
			case "type":
				n.types[name] = true
			}
			return nil
		})
		return err
	})
}

// words takes each relation and function that a text names. It's for what the server can't look into.
func (n *needs) words(w *world, text string) {
	for _, t := range sqltoken.Split(text) {
		if t.Kind == sqltoken.String { // EXECUTE 'delete from …'
			if strings.Contains(t.Text, " ") && len(t.Text) < len(text) {
				n.words(w, t.Text)
			}
			continue
		}
		if !t.Name() {
			continue
		}
		name := quoteIdent(t.Text)
		for _, r := range w.relations[name] {
			n.column(r, anything)
		}
		for _, f := range w.named[name] {
			n.functions[f] = true
		}
	}
	n.writesOf(w, text)
}

// writesOf takes each relation that a text writes to: all that it names where it makes up statements as it runs.
func (n *needs) writesOf(w *world, text string) {
	tokens := words(sqltoken.Split(text))
	dynamic := tokens.has("execute")
	for i, t := range tokens {
		if t.Kind == sqltoken.String && dynamic && strings.Contains(t.Text, " ") && len(t.Text) < len(text) {
			n.writesOf(w, "execute "+t.Text)
		}
		verb := tokens.verb(i)
		if verb == "" && !dynamic {
			continue
		}
		for _, r := range w.relations[tokens.name(i)] {
			n.indirect[r] = true
			n.write(r, events(verb, dynamic || tokens.has("merge"))...)
		}
	}
}

// events returns what a verb of a text can fire.
func events(verb string, unknown bool) []event {
	switch {
	case !unknown && verb == "into":
		return []event{inserted, updated} // it may have ON CONFLICT
	case !unknown && verb == "update":
		return []event{updated}
	case !unknown && verb == "delete":
		return []event{deleted}
	}
	return []event{inserted, updated, deleted}
}

// close follows functions into their bodies, writes to their triggers and deletions to what they cascade to, until nothing is new.
func (w *world) close(ctx context.Context, tx pgx.Tx, n *needs) error {
	done := map[string]bool{}
	first := func(what string) bool {
		old := done[what]
		done[what] = true
		return !old
	}
	for before := -1; before < len(done); {
		before = len(done)
		for f := range n.functions {
			if fn := w.functions[f]; fn != nil && first("function "+f) {
				if err := w.look(ctx, tx, n, fn); err != nil {
					return err
				}
			}
		}
		for _, r := range keys(n.writes) {
			for e := range n.writes[r] {
				if first(string(e) + " " + r) {
					w.fire(n, r, e)
				}
			}
		}
	}
	w.columnTypes(n)
	return nil
}

// look adds what a function's body needs.
func (w *world) look(ctx context.Context, tx pgx.Tx, n *needs, f *function) error {
	w.stars(n, f)
	if f.Parsed {
		n.writesOf(w, f.Body)
		return w.dependencies(ctx, tx, n, f.OID)
	}
	if f.Language == "sql" {
		ok, err := w.depends(ctx, tx, n, f.Arguments, f.Body)
		if ok || err != nil {
			n.writesOf(w, f.Body)
			return err
		}
	}
	n.words(w, f.Body)
	return nil
}

// fire adds the functions of a written relation's triggers, constraints and defaults, and what its deletions write elsewhere.
func (w *world) fire(n *needs, relation string, e event) {
	for _, f := range w.of(relation) {
		switch f.Kind {
		case "trigger":
			head, _, _ := strings.Cut(f.Fact, " ON ")
			if _, call, ok := strings.Cut(f.Fact, " EXECUTE FUNCTION "); ok && strings.Contains(head, " "+string(e)) {
				name, _, _ := strings.Cut(call, "(")
				n.functions[name+"()"] = true
			}
		case "constraint", "column", "index", "rule":
			for _, t := range sqltoken.Split(f.Fact) {
				if t.Kind == sqltoken.Word {
					for _, sig := range w.named[t.Text] {
						n.functions[sig] = true
					}
				}
			}
		}
	}
	if e != deleted {
		return
	}
	for _, i := range w.points[relation] {
		f := w.facts[i]
		switch child := parent(f.Object); {
		case strings.Contains(f.Fact, "ON DELETE CASCADE"):
			n.indirect[child] = true
			n.write(child, deleted)
		case strings.Contains(f.Fact, "ON DELETE SET "):
			n.indirect[child] = true
			n.write(child, updated)
		}
	}
}

// stars marks relations whose rows a function takes with *. One that returns just those rows gains a column with them.
func (w *world) stars(n *needs, f *function) {
	tokens := words(sqltoken.Split(f.Body))
	star := false
	for i := range tokens {
		star = star || tokens.is(i, "*") && tokens.is(i-1, "select", ".", ",", "all", "distinct", "returning")
	}
	if !star || f.Parsed {
		return
	}
	for i := range tokens {
		for _, r := range w.relations[tokens.name(i)] {
			if result := plain(f.Result); result != "SETOF "+r && result != r {
				n.column(r, whole)
			}
		}
	}
}

// columnTypes adds the types of the columns that are needed.
func (w *world) columnTypes(n *needs) {
	for r, columns := range n.relations {
		for _, f := range w.of(r) {
			if t, ok := strings.CutPrefix(f.Fact, "type "); ok && f.Kind == "column" && (columns[anything] || columns[unqualified(f.Object)]) {
				n.types[strings.TrimRight(t, "[]")] = true
			}
		}
	}
}

// fill writes what was found into a statement.
func (n *needs) fill(s *manifest.Statement) {
	for _, r := range keys(n.relations) {
		columns := keys(n.relations[r])
		if n.relations[r][anything] {
			columns = slices.DeleteFunc(columns, func(c string) bool { return c != anything && c != whole })
		}
		s.Uses = append(s.Uses, manifest.Use{Relation: r, Columns: columns})
	}
	for _, r := range keys(n.indirect) {
		if !slices.Contains(slices.Concat(s.Inserts, s.Updates, s.Deletes), r) {
			s.Indirect = append(s.Indirect, r)
		}
	}
	s.Functions = keys(n.functions)
	for _, t := range keys(n.types) {
		if strings.Contains(t, ".") {
			s.Types = append(s.Types, t)
		}
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
