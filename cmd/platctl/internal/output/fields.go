package output

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Fields lists the JSON fields that a value of sample's type encodes to, sorted, one "path type" each: "files[] string",
// "git.sha string", "labels{} string". A "?" after the path marks a field that may be absent. Machines read these names, so
// a test pins them; the walk is over types only and costs some microseconds a command.
func Fields(sample any) []string {
	var out []string
	walkType(reflect.TypeOf(sample), "", nil, &out)
	slices.Sort(out)
	return slices.Compact(out)
}

// walkType appends the leaves below t. above holds the struct types on the way down, so that a recursive type ends.
func walkType(t reflect.Type, path string, above []reflect.Type, out *[]string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name := leaf(t); name != "" {
		*out = append(*out, strings.TrimSpace(path+" "+name))
		return
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		walkType(t.Elem(), path+"[]", above, out)
	case reflect.Map:
		walkType(t.Elem(), path+"{}", above, out)
	case reflect.Struct:
		if slices.Contains(above, t) {
			*out = append(*out, path+" recursive")
			return
		}
		for f := range t.Fields() {
			walkField(f, path, append(slices.Clone(above), t), out)
		}
	}
}

func walkField(f reflect.StructField, path string, above []reflect.Type, out *[]string) {
	name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || (!f.IsExported() && !f.Anonymous) {
		return
	}
	if f.Anonymous && name == "" {
		walkType(f.Type, path, above, out)
		return
	}
	if name == "" {
		name = f.Name
	}
	if path != "" {
		name = path + "." + name
	}
	if strings.Contains(opts, "omitempty") || strings.Contains(opts, "omitzero") {
		name += "?"
	}
	walkType(f.Type, name, above, out)
}

// leaf names the JSON type of t, or returns "" for one that has parts.
func leaf(t reflect.Type) string {
	marshaler, text := reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return "any"
	case t.Implements(marshaler), reflect.PointerTo(t).Implements(marshaler):
		return t.String()
	case t.Implements(text), reflect.PointerTo(t).Implements(text):
		return "string"
	case t == reflect.TypeFor[[]byte]():
		return "base64"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return ""
	}
	return "number"
}
