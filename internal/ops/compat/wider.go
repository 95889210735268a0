package compat

import (
	"regexp"
	"strconv"
	"strings"
)

var typeParts = regexp.MustCompile(`^(.*?)(?:\((\d+)(?:,(\d+))?\))?(| with time zone| without time zone)((?:\[\])*)$`)

// typeName is a type's name in its parts; a and b are -1 where they aren't given.
type typeName struct {
	base string
	a, b int
	dims string
}

func parseType(s string) typeName {
	m := typeParts.FindStringSubmatch(s)
	if m == nil {
		return typeName{base: s, a: -1, b: -1}
	}
	t := typeName{base: m[1] + m[4], a: -1, b: -1, dims: m[5]}
	if m[2] != "" {
		t.a, _ = strconv.Atoi(m[2])
	}
	if m[3] != "" {
		t.b, _ = strconv.Atoi(m[3])
	}
	return t
}

// wider says whether every value of a type is one of the other, with the same text, so that what was written before can be
// written still.
func wider(was, now string) bool {
	a, b := parseType(was), parseType(now)
	if a.dims != b.dims {
		return false
	}
	if a.base == b.base {
		return widerModifier(a, b)
	}
	switch a.base {
	case "smallint":
		return b.base == "integer" || b.base == "bigint"
	case "integer":
		return b.base == "bigint"
	case "character varying":
		return b.base == "text"
	case "text":
		return b.base == "character varying" && b.a < 0
	}
	return false
}

// widerModifier compares lengths and precisions.
func widerModifier(a, b typeName) bool {
	switch {
	case a.a == b.a && a.b == b.b:
		return true
	case strings.HasPrefix(a.base, "numeric"):
		return a.a > 0 && b.a >= a.a && a.b == b.b // another scale rounds otherwise
	case a.base == "character varying", a.base == "bit varying":
		return b.a < 0 || a.a >= 0 && b.a >= a.a
	case strings.HasPrefix(a.base, "timestamp"), strings.HasPrefix(a.base, "time"):
		return a.a >= 0 && (b.a < 0 || b.a >= a.a)
	}
	return false
}

// sameOnTheWire says whether a client that reads one type reads the other without noticing.
func sameOnTheWire(was, now string) bool {
	text := func(t typeName) bool { return t.base == "text" || t.base == "character varying" }
	a, b := parseType(was), parseType(now)
	return a.dims == b.dims && (a.base == b.base || text(a) && text(b))
}
