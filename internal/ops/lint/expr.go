package lint

import (
	_ "embed"
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// nonvolatile names the functions of PostgreSQL 15 that have no volatile variant; TestNonvolatile compares it with a server.
//
//go:embed nonvolatile.txt
var nonvolatile string

// call is a call of a function.
type call struct {
	name name
	at   int
}

// calls finds the functions that tokens call: names before a parenthesis that are no syntax, type or list of columns.
func calls(toks tokens) []call {
	var out []call
	for i, t := range toks {
		if i+1 >= len(toks) || !t.Name() || !toks[i+1].Is("(") || t.Kind == sqltoken.Word && syntax(t.Text) {
			continue
		}
		n := name{base: t.Text}
		before := i - 1
		if i > 1 && toks[i-1].Is(".") {
			n.schema, before = toks[i-2].Text, i-3
		}
		if before >= 0 && names(toks[before]) {
			continue
		}
		out = append(out, call{n, t.At})
	}
	return out
}

// names says whether what stands before a name makes it a type, an alias or a table, and not a function.
func names(t sqltoken.Token) bool {
	switch {
	case t.Is("as"), t.Is("with"), t.Is("recursive"), t.Is("into"), t.Is(":"), t.Is(")"), t.Kind == sqltoken.Quoted:
		return true
	}
	return t.Kind == sqltoken.Word && !syntax(t.Text) && !connects(t.Text)
}

// connects are the words that an expression can follow and that no parenthesis follows by itself.
func connects(w string) bool {
	switch w {
	case "lateral", "distinct", "is", "ilike", "similar", "escape", "isnull", "notnull", "asc", "desc", "return", "call", "execute", "perform",
		"cross", "inner", "left", "right", "full", "outer", "natural", "for", "to", "default", "ordinality", "only":
		return true
	}
	return false
}

// syntax are words of SQL that a parenthesis can follow without a call.
func syntax(w string) bool {
	switch w {
	case "in", "values", "exists", "any", "all", "some", "and", "or", "not", "case", "when", "then", "else", "select", "from", "where", "on",
		"using", "over", "filter", "within", "group", "array", "row", "between", "like", "union", "except", "intersect", "join", "by", "having",
		"limit", "offset", "fetch", "returning", "set", "materialized", "partition", "conflict", "key", "cube", "rollup", "sets", "collate",
		"coalesce", "nullif", "greatest", "least", "cast", "extract", "overlay", "position", "substring", "trim", "normalize", "treat",
		"grouping", "xmlelement", "xmlforest", "xmlconcat", "xmlpi", "xmlroot", "xmlserialize", "xmlexists", "xmltable",
		"numeric", "decimal", "dec", "varchar", "char", "character", "varying", "bit", "float", "time", "timestamp", "timestamptz", "interval",
		"current_time", "current_timestamp", "localtime", "localtimestamp", "check", "include", "end":
		return true
	}
	return false
}

// stable says whether PostgreSQL itself has the function and every variant gives one value a statement.
func stable(n name) bool {
	if n.schema != "" && n.schema != "pg_catalog" || strings.Contains(n.base, "\n") {
		return false
	}
	return strings.HasPrefix(nonvolatile, n.base+"\n") || strings.Contains(nonvolatile, "\n"+n.base+"\n")
}

// volatile says whether a function is known to give each row a value of its own.
func volatile(n name) bool {
	switch n.base {
	case "clock_timestamp", "random", "gen_random_uuid", "nextval", "currval", "lastval", "setval", "timeofday", "setseed", "pg_sleep",
		"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7", "gen_random_bytes", "gen_salt", "random_normal":
		return true
	}
	return false
}

// harmless says whether a query may call a function: it changes nothing but a sequence.
func harmless(n name) bool {
	if stable(n) {
		return true
	}
	switch n.base {
	case "pg_sleep", "setseed":
		return false
	case "pg_notify":
		return n.schema == "" || n.schema == "pg_catalog"
	}
	return volatile(n) && (n.schema == "" || n.schema == "pg_catalog")
}

// mentions returns the columns of t that tokens name; of a table whose columns aren't all known, every name that could be one.
func mentions(t *table, toks tokens) []string {
	var out []string
	seen := map[string]bool{}
	for i, tok := range toks {
		if !tok.Name() || seen[tok.Text] || i+1 < len(toks) && toks[i+1].Is("(") {
			continue
		}
		_, known := t.columns[tok.Text]
		cast := i > 0 && toks[i-1].Is(":")
		if known || !t.complete && !cast && (tok.Kind == sqltoken.Quoted || !syntax(tok.Text) && !connects(tok.Text) && !literal(tok.Text)) {
			seen[tok.Text] = true
			out = append(out, tok.Text)
		}
	}
	return out
}

// literal are words that stand for a value.
func literal(w string) bool {
	switch w {
	case "null", "true", "false", "unknown", "current_date", "current_user", "session_user", "user", "as":
		return true
	}
	return false
}
