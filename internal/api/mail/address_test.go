package mail

import (
	"bytes"
	"errors"
	netmail "net/mail"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ana@example.org":                "ana@example.org",
		"  ana@example.org\n":            "ana@example.org",
		"Ana.Smith+x@EXAMPLE.org":        "Ana.Smith+x@example.org",
		"ana@bücher.example":             "ana@xn--bcher-kva.example",
		"ana@BU\u0308CHER.example":       "ana@xn--bcher-kva.example",
		"re\u0301gine@example.org":       "r\u00e9gine@example.org",
		"o'hara@example.org":             "o'hara@example.org",
		"ana@xn--bcher-kva.example":      "ana@xn--bcher-kva.example",
		"ana@example\u3002org":           "ana@example.org", // the ideographic full stop
		"用户@例え.テスト":                      "用户@xn--r8jz45g.xn--zckzah",
		strings.Repeat("a", 64) + "@b.c": strings.Repeat("a", 64) + "@b.c",
	} {
		if got, err := ParseAddress(in, false); err != nil || got != want {
			t.Errorf("%q = %q, %v; want %q", in, got, err, want)
		}
	}
	for in, code := range map[string]string{
		"": "malformed", "ana": "malformed", "@example.org": "malformed", "ana@": "domain", "a@b@example.org": "malformed",
		"a b@example.org": "malformed", "a\x00b@example.org": "malformed", "ana\r\nBcc: x@example.org": "malformed",
		"ana@example.org\r\nBcc: x@y.z": "malformed", `"a b"@example.org`: "malformed", "a,b@example.org": "malformed",
		"<ana@example.org>": "malformed", "Ana <ana@example.org>": "malformed", "ana>@example.org": "malformed",
		".ana@example.org": "malformed", "a..b@example.org": "malformed", "ana.@example.org": "malformed",
		"a\u200bna@example.org": "malformed", "a\u202ena@example.org": "malformed", "a\u00a0na@example.org": "malformed",
		"ana@example..org": "domain", "ana@.org": "domain", "ana@org.": "domain", "ana@ex ample.org": "domain", "ana@-x.org": "domain",
		"ana@x_y.org": "domain", "ana@[127.0.0.1]": "domain", "ana@127.0.0.1": "domain", "ana@localhost": "domain",
		"ana@" + strings.Repeat("a", 64) + ".org": "domain", "ana@example.org/x": "domain", "ana@exa\x00mple.org": "domain",
		strings.Repeat("a", 65) + "@b.c": "too_long", "é" + strings.Repeat("a", 63) + "@b.c": "too_long",
		"ana@" + strings.Repeat("a23456789.", 25) + "org": "too_long", "ana@xn--zzzzzz.org": "domain",
	} {
		_, err := ParseAddress(in, false)
		if !errors.Is(err, fault.Invalid) || fault.From(err).Fields[0].Code != code {
			t.Errorf("%q: %+v, want %s", in, fault.From(err), code)
		}
	}
	if got, err := ParseAddress("ana@localhost", true); err != nil || got != "ana@localhost" {
		t.Errorf("without a dot: %q, %v", got, err)
	}
}

func TestParseFrom(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"noreply@example.org":               "<noreply@example.org>",
		"Market <noreply@example.org>":      `"Market" <noreply@example.org>`,
		`"Bücher, Inc." <a@bücher.example>`: "=?utf-8?b?QsO8Y2hlciwgSW5jLg==?= <a@xn--bcher-kva.example>",
	} {
		if got, err := ParseFrom(in); err != nil || got.String() != want {
			t.Errorf("%q = %s, %v; want %s", in, &got, err, want)
		}
	}
	for _, in := range []string{"", "Market", "a@b@c", "Market <>", `"a b"@example.org`, "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f",
		"=?utf-8?q?a=0Ab?= <a@b.c>", strings.Repeat("x", 65) + " <a@b.c>"} {
		if got, err := ParseFrom(in); !errors.Is(err, fault.Config) {
			t.Errorf("%q = %v, %v", in, got, err)
		}
	}
}

// Whatever passes is safe in a header and in a command, and passes again unchanged.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ana@example.org", "é@bücher.example", "a\r\n@b.c", "a@b@c", "a..b@c.d", "ａ@ｂ.ｃ", "a@xn--a.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s, true)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := ParseAddress(a, true); err != nil || again != a {
			t.Fatalf("%q = %q, and again %q, %v", s, a, again, err)
		}
		unsafe := func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`<>()[]:;,\"`, r)
		}
		if strings.Count(a, "@") != 1 || strings.ContainsFunc(a, unsafe) || len(a) > maxAddress {
			t.Fatalf("%q = %q", s, a)
		}
		_, raw, err := compose(netmail.Address{Name: "Market", Address: "noreply@localhost"},
			Message{To: a, Subject: "Hello", Text: "text"}, time.Now())
		if err != nil {
			t.Fatalf("%q: %v", a, err)
		}
		msg, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		to, err := msg.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != a {
			t.Fatalf("%q arrives as %v, %v in\n%s", a, to, err, raw)
		}
	})
}
