package lint

import (
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/ops/sqltoken"
)

// typ is a type as a column has it.
type typ struct {
	base string // PostgreSQL's own short name, or a name with its schema
	mods []string
	dims bool // an array
	odd  bool // there is something about it that isn't understood
}

func (t typ) known() bool { return t.base != "" && !t.odd }

func (t typ) String() string {
	out := t.base
	if len(t.mods) > 0 {
		out += "(" + strings.Join(t.mods, ",") + ")"
	}
	if t.dims {
		out += "[]"
	}
	return out
}

// parseType reads a type from all of the tokens.
func parseType(toks tokens) typ {
	r := reader{toks: toks}
	var t typ
	var words []string
	for !r.done() {
		switch {
		case r.is("("):
			inner, _ := r.parens()
			for _, m := range split(inner, ",") {
				t.odd = t.odd || len(m) != 1 || m[0].Kind != sqltoken.Number
				t.mods = append(t.mods, text(m))
			}
		case r.take("["):
			r.until(func(t sqltoken.Token) bool { return t.Is("]") })
			r.take("]")
			t.dims = true
		case r.take("array"):
			t.dims = true
		case r.take("."):
			words = append(words, ".")
		default:
			if w, ok := r.ident(); ok {
				words = append(words, w)
			} else {
				r.at++
				t.odd = true
			}
		}
	}
	t.base = canonical(strings.ReplaceAll(strings.Join(words, " "), " . ", "."), &t)
	return t
}

// text joins tokens for a message or a comparison.
func text(toks tokens) string {
	var b strings.Builder
	for i, t := range toks {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.Text)
	}
	return b.String()
}

func canonical(s string, t *typ) string {
	s = strings.TrimPrefix(s, "pg_catalog.")
	switch s {
	case "int", "int4", "integer":
		return "integer"
	case "int8", "bigint":
		return "bigint"
	case "int2", "smallint":
		return "smallint"
	case "varchar", "character varying", "char varying", "national character varying", "nchar varying":
		return "varchar"
	case "char", "character", "bpchar", "nchar", "national character", "national char":
		return "char"
	case "numeric", "decimal", "dec":
		return "numeric"
	case "bool", "boolean":
		return "boolean"
	case "varbit", "bit varying":
		return "varbit"
	}
	return timeOrFloat(s, t)
}

func timeOrFloat(s string, t *typ) string {
	switch s {
	case "timestamp with time zone", "timestamptz":
		return "timestamptz"
	case "timestamp without time zone", "timestamp":
		return "timestamp"
	case "time with time zone", "timetz":
		return "timetz"
	case "time without time zone", "time":
		return "time"
	case "float4", "real":
		return "float4"
	case "float8", "double precision":
		return "float8"
	case "float":
		if bits, err := strconv.Atoi(strings.Join(t.mods, "")); err == nil && bits <= 24 {
			t.mods = nil
			return "float4"
		}
		t.mods = nil
		return "float8"
	case "serial", "serial4", "bigserial", "serial8", "smallserial", "serial2":
		return s
	}
	if strings.HasPrefix(s, "interval ") {
		t.odd = true
		return "interval"
	}
	return s
}

func (t typ) serial() bool {
	return strings.Contains(t.base, "serial") && !strings.Contains(t.base, ".")
}

// builtin says whether PostgreSQL or an extension that people use has the type, and it is no domain.
func (t typ) builtin() bool {
	if t.serial() {
		return true
	}
	switch t.base {
	case "integer", "bigint", "smallint", "numeric", "float4", "float8", "money", "boolean",
		"text", "varchar", "char", "name", "citext", "bytea", "bit", "varbit", "uuid", "json", "jsonb", "jsonpath", "xml",
		"date", "time", "timetz", "timestamp", "timestamptz", "interval",
		"inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "hstore", "ltree", "vector", "geometry", "geography",
		"point", "line", "lseg", "box", "path", "polygon", "circle",
		"oid", "regclass", "regtype", "regproc", "xid", "xid8", "pg_lsn", "pg_snapshot",
		"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
		"int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange":
		return true
	}
	return false
}

// change is what becomes of the rows when a column gets another type.
type change int

const (
	unchanged  change = iota // nothing
	relabelled               // another type of the same bytes
	rewrite                  // the table is written anew
	unknown
)

// compare tells what ALTER TYPE does. utc says that the session's time zone is UTC.
func compare(from, to typ, utc bool) change {
	switch {
	case !from.known() || !to.known():
		return unknown
	case from.String() == to.String():
		return unchanged
	case !from.builtin() || !to.builtin():
		return unknown
	case from.dims || to.dims:
		return rewrite // each of them is made anew, also varchar(10)[] as varchar(20)[]
	case from.base == to.base:
		return widened(from, to)
	}
	return recast(from, to, utc)
}

func widened(from, to typ) change {
	switch from.base {
	case "varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval":
		if len(to.mods) == 0 || len(from.mods) > 0 && number(to.mods[0]) >= number(from.mods[0]) {
			return relabelled
		}
	case "numeric":
		if len(to.mods) == 0 || len(from.mods) > 0 && number(to.mods[0]) >= number(from.mods[0]) && scale(from) == scale(to) {
			return relabelled
		}
	}
	return rewrite
}

func recast(from, to typ, utc bool) change {
	switch from.base + " " + to.base {
	case "varchar text", "cidr inet":
		return relabelled
	case "text varchar":
		if len(to.mods) == 0 {
			return relabelled
		}
	case "timestamp timestamptz", "timestamptz timestamp":
		if utc && len(from.mods) == 0 && len(to.mods) == 0 {
			return relabelled
		}
	}
	return rewrite
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

func scale(t typ) int {
	if len(t.mods) < 2 {
		return 0
	}
	return number(t.mods[1])
}
