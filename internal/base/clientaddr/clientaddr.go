// Package clientaddr finds the address of the client behind a request.
//
// Invariants: what a header says counts only as far as somebody trusted has written it: it is read from the right, from the
// hop that talked to us to the first one that is not trusted. Nothing that a stranger sends changes the answer; the worst they
// can do is name themselves as one more hop to the left, which is not read. A connection over a unix socket is trusted, because
// its file mode says who may connect.
package clientaddr

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// The headers that a Resolver can read. A proxy that writes one passes the other on as the client sent it, so it is one or
// the other, never both.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // RFC 7239
)

// maxHops is how many hops are read; further to the left nobody is asked.
const maxHops = 16

// Resolver knows who is trusted. The zero value trusts unix sockets only.
type Resolver struct {
	Trusted []netip.Prefix // proxies
	Header  string         // XForwardedFor (also when empty) or Forwarded; over a unix socket always the former, which the edge writes
}

// New returns a Resolver that trusts addresses and networks, separated by commas or spaces, and reads a header.
func New(trusted, header string) (Resolver, error) {
	if header != XForwardedFor && header != Forwarded {
		return Resolver{}, fault.New(fault.Invalid, "%.40q is not %s or %s", header, XForwardedFor, Forwarded)
	}
	p, err := ParseTrusted(trusted)
	return Resolver{Trusted: p, Header: header}, err
}

// ParseTrusted reads addresses and networks, separated by commas or spaces.
func ParseTrusted(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, word := range strings.Fields(strings.ReplaceAll(text, ",", " ")) {
		p, err := netip.ParsePrefix(word)
		if a, aerr := netip.ParseAddr(word); aerr == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil || strings.Contains(word, "%") || p.Addr().Is4In6() {
			return nil, fault.New(fault.Invalid, "%.60q is neither an address nor a network like 10.0.0.0/8", word)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Of returns the client's address; the zero Addr when a request over a unix socket names none.
func (x Resolver) Of(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	client := peer.Addr().Unmap()
	switch {
	case err != nil: // a unix socket has no address and port
		return x.walk(netip.Addr{}, r.Header.Values(XForwardedFor), false)
	case !x.trusts(client):
		return client
	case x.Header == Forwarded:
		return x.walk(client, r.Header.Values(Forwarded), true)
	}
	return x.walk(client, r.Header.Values(XForwardedFor), false)
}

func (x Resolver) trusts(a netip.Addr) bool {
	for _, p := range x.Trusted {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// walk goes from the last hop to the left for as long as hops are trusted. What can't be read ends the walk: whoever wrote it
// stands there in its place.
func (x Resolver) walk(hop netip.Addr, lines []string, forwarded bool) netip.Addr {
	seen := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			var item string
			if cut := strings.LastIndexByte(rest, ','); cut >= 0 {
				rest, item = rest[:cut], rest[cut+1:]
			} else {
				rest, item = "", rest
			}
			if seen++; seen > maxHops {
				return hop
			}
			if forwarded {
				item = forParameter(item)
			}
			a, ok := parseHop(item)
			if !ok {
				return hop
			}
			if hop = a; !x.trusts(hop) {
				return hop
			}
		}
	}
	return hop
}

// forParameter returns the value of for= in one element of Forwarded. A comma inside quotes would have cut the element before:
// then there is no address in it, and the walk ends.
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop reads an address as proxies write it: bare, in brackets, with a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}
