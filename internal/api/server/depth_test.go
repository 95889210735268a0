package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDepth(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		"": 0, "1": 0, "[]": 1, `{"a":[{}]}`: 3, `"[[["`: 0, `["\"[["]`: 1, `["\\",[]]`: 2, "[],[]": 1, `"\`: 0,
		strings.Repeat("[", 40): 40,
	} {
		if got := depth([]byte(body)); got != want {
			t.Errorf("depth(%s) = %d, want %d", body, got, want)
		}
	}
}

// What is JSON nests exactly as deep as the decoder of the standard library finds.
func FuzzDepth(f *testing.F) {
	f.Add([]byte(`{"a":[1,"]\"",{"b":"\\"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := depth(body)
		if !json.Valid(body) {
			return
		}
		level, want := 0, 0
		for dec := json.NewDecoder(bytes.NewReader(body)); ; {
			tok, err := dec.Token()
			if err != nil {
				break
			}
			if d, ok := tok.(json.Delim); ok && (d == '[' || d == '{') {
				level++
				want = max(want, level)
			} else if ok {
				level--
			}
		}
		if got != want {
			t.Fatalf("depth(%s) = %d, want %d", body, got, want)
		}
	})
}
