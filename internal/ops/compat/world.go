package compat

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/ops/catalog"
)

//go:embed sql/functions.sql
var sqlFunctions string

// world is the catalogue of one database, sorted by what a fact is about.
type world struct {
	facts     []manifest.Fact      // in the order of the catalogue
	about     map[string][]int     // relation, function, type, schema -> its facts
	points    map[string][]int     // relation -> foreign keys of others that point at it
	relations map[string][]string  // name without schema -> relations
	functions map[string]*function // by signature
	named     map[string][]string  // name without schema -> signatures
}

// function is one that people have made.
type function struct {
	OID       uint32
	Signature string
	Language  string
	Body      string
	Parsed    bool // the server keeps it parsed, with its dependencies
	Arguments string
	Result    string
}

var (
	// Names with their schema, quoted or not.
	indexTable = regexp.MustCompile(` ON (?:ONLY )?((?:"(?:[^"]|"")+"|[^\s."]+)\.(?:"(?:[^"]|"")+"|[^\s."]+)) USING `)
	references = regexp.MustCompile(`REFERENCES ((?:"(?:[^"]|"")+"|[^\s."(]+)\.(?:"(?:[^"]|"")+"|[^\s."(]+))`)
	ownedBy    = regexp.MustCompile(`^owned by (.+)\.[^.]+$`)
)

// readWorld sorts the facts and reads the functions' bodies.
func readWorld(ctx context.Context, tx pgx.Tx, facts []catalog.Fact) (*world, error) {
	w := newWorld(facts)
	err := complete(ctx, tx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlFunctions)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[function])
		for _, f := range all {
			f.Signature = plain(f.Signature)
			w.functions[f.Signature] = f
			name := unqualified(functionName(f.Signature))
			w.named[name] = append(w.named[name], f.Signature)
		}
		return err
	})
	return w, err
}

func newWorld(facts []catalog.Fact) *world {
	w := &world{about: map[string][]int{}, points: map[string][]int{}, relations: map[string][]string{}, functions: map[string]*function{},
		named: map[string][]string{}}
	for _, f := range facts {
		if f.Kind == "column order" || strings.HasPrefix(f.Fact, "owner ") {
			continue
		}
		kept := manifest.Fact{Kind: f.Kind, Object: plain(f.Object), Fact: plain(f.Fact)}
		if f.Kind == "function" || strings.HasSuffix(f.Kind, "view") && strings.HasPrefix(f.Fact, "as ") {
			kept.Fact = digest(f.Fact) // what they are is in the migrations
		}
		w.keep(kept)
	}
	return w
}

// keep takes one fact.
func (w *world) keep(f manifest.Fact) {
	subject := w.subject(f)
	if subject == "" {
		return
	}
	if m := references.FindStringSubmatch(f.Fact); f.Kind == "constraint" && m != nil {
		w.points[m[1]] = append(w.points[m[1]], len(w.facts))
	}
	switch f.Kind {
	case "table", "view", "materialized view", "foreign table", "column":
		if name := unqualified(subject); !slices.Contains(w.relations[name], subject) {
			w.relations[name] = append(w.relations[name], subject)
		}
	}
	w.about[subject] = append(w.about[subject], len(w.facts))
	w.facts = append(w.facts, f)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256 " + hex.EncodeToString(sum[:])
}

// subject says what a fact is about: the relation of a column, constraint, index, trigger and so on; empty for what no statement
// depends on.
func (w *world) subject(f manifest.Fact) string {
	switch f.Kind {
	case "table", "view", "materialized view", "foreign table", "function", "type":
		return f.Object
	case "column", "constraint", "trigger", "rule", "policy":
		return parent(f.Object)
	case "index":
		if m := indexTable.FindStringSubmatch(f.Fact); m != nil {
			return m[1]
		}
		for i := len(w.facts) - 1; i >= 0; i-- { // "invalid" and the like stand beside the definition
			if w.facts[i].Kind == "index" && w.facts[i].Object == f.Object {
				return w.subject(w.facts[i])
			}
		}
	case "sequence":
		if m := ownedBy.FindStringSubmatch(f.Fact); m != nil {
			return m[1]
		}
		return f.Object
	case "grant":
		what, name, _ := strings.Cut(f.Object, " ")
		switch what {
		case "column":
			return parent(name)
		case "materialized", "foreign":
			_, name, _ = strings.Cut(name, " ")
		case "default":
			return ""
		}
		return name
	}
	return ""
}

// parent is what comes before the last dot that is not in quotes.
func parent(name string) string {
	in, at := false, -1
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '"':
			in = !in
		case '.':
			if !in {
				at = i
			}
		}
	}
	if at < 0 {
		return name
	}
	return name[:at]
}

// unqualified is what comes behind the last dot.
func unqualified(name string) string {
	if p := parent(name); p != name {
		return name[len(p)+1:]
	}
	return name
}

// functionName is a signature without its arguments.
func functionName(signature string) string {
	name, _, _ := strings.Cut(signature, "(")
	return name
}

// of returns the facts about something.
func (w *world) of(subject string) []manifest.Fact {
	out := make([]manifest.Fact, 0, len(w.about[subject]))
	for _, i := range w.about[subject] {
		out = append(out, w.facts[i])
	}
	return out
}

// touched returns the facts about everything that statements need, sorted.
func (w *world) touched(statements []manifest.Statement) []manifest.Fact {
	take := map[int]bool{}
	all := func(list []int) {
		for _, i := range list {
			take[i] = true
		}
	}
	for _, subject := range subjects(statements) {
		all(w.about[subject])
		all(w.points[subject])
	}
	names := map[string]bool{} // of functions: one of the same name can be meant when it comes
	for _, s := range statements {
		for _, f := range s.Functions {
			names[functionName(f)] = true
		}
	}
	out := []manifest.Fact{}
	for i, f := range w.facts {
		take[i] = take[i] || f.Kind == "function" && names[functionName(f.Object)]
		if take[i] && kept(f) {
			out = append(out, f)
		}
	}
	return out
}

// kept leaves out what can't matter to a statement's outcome.
func kept(f manifest.Fact) bool {
	switch {
	case f.Kind == "column":
		for _, p := range []string{"storage ", "compression ", "statistics ", "options "} {
			if strings.HasPrefix(f.Fact, p) {
				return false
			}
		}
	case f.Kind == "index" && (f.Fact == "the table is clustered on it" || f.Fact == "replica identity" || strings.HasPrefix(f.Fact, "options ")):
		return false
	case f.Kind == "table" && (strings.HasPrefix(f.Fact, "options ") || strings.HasPrefix(f.Fact, "replica identity ") || f.Fact == "unlogged"):
		return false
	}
	return true
}

// subjects lists the relations, functions, types and schemas that statements need.
func subjects(statements []manifest.Statement) []string {
	seen := map[string]bool{}
	for _, s := range statements {
		for _, u := range s.Uses {
			seen[u.Relation], seen[parent(u.Relation)] = true, true
		}
		for _, list := range [][]string{s.Inserts, s.Updates, s.Deletes, s.Indirect, s.Functions, s.Types} {
			for _, x := range list {
				seen[x] = true
			}
		}
	}
	out := make([]string, 0, len(seen))
	for s := range seen {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
