package confirmation

import (
	"strings"
	"testing"
)

// However a code is typed, it is the one that was mailed.
func TestCodesAreForgiving(t *testing.T) {
	t.Parallel()
	want := code{"7KQ2", "M0XD9R1B"}
	for _, text := range []string{
		"7KQ2-M0XD-9R1B", "7kq2-m0xd-9r1b", " 7KQ2 M0XD 9R1B\r\n", "7KQ2M0XD9R1B", "7KQ2\u2011M0XD\u20139R1B",
		"7KQ2-MOXD-9RIB", "7kq2-moxd-9rlb", "7KQ2\u00a0M0XD\t9R1B",
	} {
		if got, ok := parseCode(text); !ok || got != want {
			t.Errorf("%q = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "7KQ2", "7KQ2-M0XD-9R1", "7KQ2-M0XD-9R1BX", "7KQ2-M0XD-9R1U", "7KQ2-M0XD-9R1\x00", "ＡKQ2-M0XD-9R1B", strings.Repeat("-", 1<<20), "\xff\xfe",
	} {
		if got, ok := parseCode(text); ok {
			t.Errorf("%.20q = %v", text, got)
		}
	}
}

// Codes differ from each other in both parts, and their hashes belong to one key, one request and one code.
func TestCodesAreTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		c := newCode()
		if seen[c.secret] {
			t.Fatalf("%s came twice", c)
		}
		seen[c.secret] = true
		back, ok := parseCode(c.String())
		mac := c.mac([]byte("key"), 1)
		if !ok || back != c || !back.is(mac, []byte("key"), 1) {
			t.Fatalf("%s is read as %v, %v", c, back, ok)
		}
		if c.is(mac, []byte("another"), 1) || c.is(mac, []byte("key"), 2) || newCode().is(mac, []byte("key"), 1) ||
			c.is(nil, []byte("key"), 1) {
			t.Fatalf("the hash of %s fits something else", c)
		}
	}
}

// Every character is as likely as another.
func TestCodesAreEven(t *testing.T) {
	t.Parallel()
	count := map[rune]int{}
	const codes = 4000
	for range codes {
		c := newCode()
		for _, r := range c.selector + c.secret {
			count[r]++
		}
	}
	mean := codes * (selectorLen + secretLen) / len(alphabet) // 1,500, with a deviation of 38
	for _, r := range alphabet {
		if n := count[r]; n < mean-mean/5 || n > mean+mean/5 {
			t.Errorf("%c came %d times of %d", r, n, mean)
		}
	}
}

// What is read as a code is one in the form in which it is mailed.
func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"7KQ2-M4XD-9RTB", "7kq2m4xd9rtb", "OIL0-OIL0-OIL0", "\u2011", "ı", "ſſſſ-ſſſſ-ſſſſ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseCode(s)
		if !ok {
			return
		}
		again, ok := parseCode(c.String())
		if !ok || again != c || len(c.selector) != selectorLen || len(c.secret) != secretLen || strings.Trim(c.selector+c.secret, alphabet) != "" {
			t.Fatalf("%q = %v, and again %v, %v", s, c, again, ok)
		}
	})
}

// Texts wrap, keep their code on a line of its own, and leave nothing unfilled.
func TestLetters(t *testing.T) {
	t.Parallel()
	for _, l := range []letter{
		signupCode("a@b.c", "CODE_SITE_LIFE"), signupTaken("a@b.c", "ana"), emailCode("a@b.c", "ana"), emailTaken("a@b.c", "ben", "ana"),
		resetCode("a@b.c", "ana"), resetDone("a@b.c", "ana"), emailReplaced("a@b.c", "ana"),
	} {
		m := l.message("Ana's {code} Market", "7KQ2-M4XD-9RTB", Signup.Life())
		if m.Kind != l.kind || m.To != "a@b.c" || strings.Contains(m.Subject, "7KQ2") {
			t.Errorf("%+v", m)
		}
		if has := strings.Contains(m.Text, "\n\n    7KQ2-M4XD-9RTB\n\n"); has != l.code {
			t.Errorf("%s has a code: %v\n%s", l.kind, has, m.Text)
		}
		if !strings.Contains(m.Text, "Ana's {code} Market") || strings.Contains(m.Text, "{site}") || strings.Contains(m.Text, "{life}") {
			t.Errorf("%s:\n%s", l.kind, m.Text)
		}
		if l.kind == "signup_code" && !strings.Contains(m.Text, "@CODE_SITE_LIFE") {
			t.Errorf("the handle was filled in:\n%s", m.Text)
		}
		for line := range strings.SplitSeq(m.Text, "\n") {
			if len(line) > 76 {
				t.Errorf("%s: %q is long", l.kind, line)
			}
		}
	}
}
