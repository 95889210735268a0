package clientaddr

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
)

func resolver(t testing.TB, trusted, header string) Resolver {
	t.Helper()
	p, err := ParseTrusted(trusted)
	if err != nil {
		t.Fatal(err)
	}
	return Resolver{Trusted: p, Header: header}
}

// Whoever talks to us is the client unless we trust them; what they say about others counts as far as trust goes.
func TestOf(t *testing.T) {
	t.Parallel()
	const proxies = "10.0.0.0/8, 2001:db8:1::/48 192.0.2.7"
	for name, c := range map[string]struct {
		peer      string
		xff, fwd  []string
		want      string
		forwarded bool
	}{
		"a stranger":                           {peer: "198.51.100.1:999", want: "198.51.100.1"},
		"a stranger's claim":                   {peer: "198.51.100.1:999", xff: []string{"1.2.3.4"}, want: "198.51.100.1"},
		"a stranger's claim, other header":     {peer: "198.51.100.1:999", fwd: []string{"for=1.2.3.4"}, forwarded: true, want: "198.51.100.1"},
		"a stranger over IPv6":                 {peer: "[2001:db8:9::1]:999", want: "2001:db8:9::1"},
		"mapped":                               {peer: "[::ffff:198.51.100.1]:9", xff: []string{"1.2.3.4"}, want: "198.51.100.1"},
		"a proxy":                              {peer: "10.1.2.3:999", xff: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"a proxy by its address":               {peer: "192.0.2.7:999", xff: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"a proxy, mapped":                      {peer: "[::ffff:10.1.2.3]:9", xff: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"a proxy that says nothing":            {peer: "10.1.2.3:999", want: "10.1.2.3"},
		"a chain":                              {peer: "10.1.2.3:999", xff: []string{"203.0.113.9, 2001:db8:1::5, 10.9.9.9"}, want: "203.0.113.9"},
		"a chain in two lines":                 {peer: "10.1.2.3:999", xff: []string{"6.6.6.6, 203.0.113.9", "10.9.9.9"}, want: "203.0.113.9"},
		"a claim before the chain":             {peer: "10.1.2.3:999", xff: []string{"6.6.6.6, 203.0.113.9, 10.9.9.9"}, want: "203.0.113.9"},
		"a claim to be a proxy":                {peer: "10.1.2.3:999", xff: []string{"6.6.6.6, 10.0.0.1, 203.0.113.9"}, want: "203.0.113.9"},
		"nothing but proxies":                  {peer: "10.1.2.3:999", xff: []string{"10.0.0.5, 10.0.0.6"}, want: "10.0.0.5"},
		"with ports":                           {peer: "10.1.2.3:999", xff: []string{"[2001:db8::1]:80, 10.0.0.1:443"}, want: "2001:db8::1"},
		"with a zone":                          {peer: "10.1.2.3:999", xff: []string{"fe80::1%eth0"}, want: "fe80::1"},
		"what can't be read ends it":           {peer: "10.1.2.3:999", xff: []string{"6.6.6.6, unknown, 10.0.0.1"}, want: "10.0.0.1"},
		"an empty item ends it":                {peer: "10.1.2.3:999", xff: []string{"6.6.6.6,,10.0.0.1"}, want: "10.0.0.1"},
		"the header that we don't read":        {peer: "10.1.2.3:999", fwd: []string{"for=6.6.6.6"}, want: "10.1.2.3"},
		"the header that we don't read either": {peer: "10.1.2.3:999", xff: []string{"6.6.6.6"}, forwarded: true, want: "10.1.2.3"},
		"Forwarded":                            {peer: "10.1.2.3:999", fwd: []string{`for=6.6.6.6, proto=https;For="[2001:db8::1]:80";by=x, for=10.0.0.2`}, forwarded: true, want: "2001:db8::1"},
		"a comma in quotes":                    {peer: "10.1.2.3:999", fwd: []string{`for="6.6.6.6,for=7.7.7.7"`}, forwarded: true, want: "7.7.7.7"},
		"an obfuscated name":                   {peer: "10.1.2.3:999", fwd: []string{`for=_hidden`}, forwarded: true, want: "10.1.2.3"},
		"the edge":                             {peer: "@", xff: []string{"203.0.113.9"}, fwd: []string{"for=6.6.6.6"}, forwarded: true, want: "203.0.113.9"},
		"a proxy before the edge":              {peer: "", xff: []string{"203.0.113.9, 10.0.0.1"}, want: "203.0.113.9"},
		"somebody on the socket":               {peer: "@", want: "invalid IP"},
	} {
		h := ""
		if c.forwarded {
			h = Forwarded
		}
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{XForwardedFor: c.xff, Forwarded: c.fwd}}
		if got := resolver(t, proxies, h).Of(r); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestParseTrusted(t *testing.T) {
	t.Parallel()
	if p, err := ParseTrusted(" "); err != nil || len(p) != 0 {
		t.Errorf("nothing reads as %v, %v", p, err)
	}
	if x, err := New("10.0.0.1, 2001:db8::/32", Forwarded); err != nil || len(x.Trusted) != 2 || x.Header != Forwarded {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := New("", "X-Real-IP"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a header that nobody can trust: %v", err)
	}
	for _, text := range []string{"10.0.0.0/33", "localhost", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.1/8/8"} {
		if p, err := ParseTrusted(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q reads as %v, %v", text, p, err)
		}
	}
}

// A stranger behind one proxy is always who the proxy saw, whatever they put into the header before.
func FuzzSpoof(f *testing.F) {
	f.Add("1.2.3.4", false)
	f.Add("10.0.0.1, 10.0.0.2", false)
	f.Add(`for="[::1]";x="`, true)
	f.Fuzz(func(t *testing.T, claim string, forwarded bool) {
		x := resolver(t, "10.0.0.0/8", "")
		line := claim + ", 203.0.113.9"
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{XForwardedFor: {line}}}
		if forwarded {
			x.Header = Forwarded
			r.Header = http.Header{Forwarded: {claim + ", for=203.0.113.9"}}
		}
		if got := x.Of(r); got != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("%q: %s", claim, got)
		}
	})
}
