package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestDepth(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		"": 0, "1": 0, "[]": 1, `{"a":[{}]}`: 3, `"[[["`: 0, `["\"[["]`: 1, `["\\",[]]`: 2, "[],[]": 1, `"\`: 0,
		strings.Repeat("[", 40): 40,
	} {
		if got, _ := outline([]byte(body)); got != want {
			t.Errorf("outline(%s) = %d, want %d", body, got, want)
		}
	}
}

func TestDoubledKeys(t *testing.T) {
	t.Parallel()
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	long := strings.Join(many, ",")
	for body, want := range map[string]string{
		`{"a":1,"b":1}`: "", `{"a":1,"a":1}`: `"a"`, `{"a":{"a":1},"b":{"a":1}}`: "", `{"b":{"a":1,"c":["a","a"],"a":2}}`: `"a"`,
		`{"a":"a","b":"a"}`: "", `["a","a"]`: "", `[{"a":1},{"a":1}]`: "", `{"a":1,"\u0061":2}`: `"\u0061"`, `{"a":{"x":1},"a":2}`: `"a"`,
		`{"a,\"":1,"a":1}`: "", `{"A":1,"a":1}`: "", `{"":1,"":1}`: `""`,
		"{" + long + "}": "", "{" + long + `,"k3":1}`: `"k3"`, `{"a":{` + long + `,"k39":1},"b":1}`: `"k39"`, `{"a":{` + long + `},"a":1}`: `"a"`,
		`}{"a":1,"a":2}`: "", `{"a":1,"a`: "", `{"a`: "",
	} {
		if _, got := outline([]byte(body)); string(got) != want {
			t.Errorf("outline(%.60s) finds %s twice, want %s", body, got, want)
		}
	}
}

// What is JSON nests exactly as deep, and has a key twice where, the decoder of the standard library finds.
func FuzzOutline(f *testing.F) {
	f.Add([]byte(`{"a":[1,"]\"",{"b":"\\"}]}`))
	f.Add([]byte(`{"a":1,"b":{"a":2},"\u0061":3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		deepest, doubled := outline(body)
		if !json.Valid(body) {
			return
		}
		want, twice := decoded(t, body)
		if deepest != want || want <= maxDepth && (doubled != nil) != twice {
			t.Fatalf("outline(%s) = %d, %s; want %d, %v", body, deepest, doubled, want, twice)
		}
	})
}

// decoded is the outline as the standard library's decoder has it.
func decoded(t *testing.T, body []byte) (deepest int, twice bool) {
	t.Helper()
	type frame struct {
		keys  map[string]bool // nil: an array
		value bool            // the next token of an object is a value
	}
	var open []frame
	for dec := json.NewDecoder(bytes.NewReader(body)); ; {
		tok, err := dec.Token()
		if err != nil {
			return deepest, twice
		}
		if d, ok := tok.(json.Delim); ok && (d == ']' || d == '}') {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 {
			in := &open[len(open)-1]
			if key, ok := tok.(string); ok && in.keys != nil && !in.value {
				twice = twice || in.keys[key]
				in.keys[key], in.value = true, true
				continue
			}
			in.value = false
		}
		switch tok {
		case json.Delim('{'):
			open = append(open, frame{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, frame{})
		}
		deepest = max(deepest, len(open))
	}
}

// What a body costs before it is decoded.
func BenchmarkOutline(b *testing.B) {
	body := []byte(`{"body":"` + strings.Repeat("Two crates of plums, who wants them? ", 6) + `","media":["media_9wBq1Zc"],"visibility":"public"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, doubled := outline(body); doubled != nil {
			b.Fatal("doubled")
		}
	}
}
