package timeline

import (
	"regexp"
	"strings"
	"testing"
)

// Whatever somebody types, what reaches to_tsquery is words as beginnings, joined by and: no operator of theirs gets through.
func FuzzWords(f *testing.F) {
	for _, q := range []string{"apples", "a'b | !c:*", "Ine\u0302s & (x <-> y)", "  ", "\\", "1,000 kg", "\xff", "caf\u00e9:AB"} {
		f.Add(q)
	}
	word := regexp.MustCompile(`^[\pL\p{Nd}\pM]+:\*$`)
	f.Fuzz(func(t *testing.T, q string) {
		words := Words(q)
		if words == "" {
			return
		}
		for _, w := range strings.Split(words, " & ") {
			if !word.MatchString(w) {
				t.Errorf("%q becomes %q, of which %q is no word", q, words, w)
			}
		}
	})
}
