package cache

import (
	"net/url"
	"strings"
)

// Param is a query parameter that an operation reads. Default is what its absence means; empty: something that can't be sent.
type Param struct{ Name, Default string }

// Key returns the name under which the answer of an operation is kept: its path argument and the parameters it reads, in the
// order of params, without those that say what their absence says. Two requests with one key have one answer. A parameter that
// is sent twice gives no key: what that means is the operation's to say.
func Key(operation, argument string, query url.Values, params []Param) (string, bool) {
	var b strings.Builder
	b.WriteString(operation)
	b.WriteByte(' ')
	b.WriteString(url.QueryEscape(argument))
	for _, p := range params {
		values, sent := query[p.Name]
		if !sent {
			continue
		}
		if len(values) != 1 {
			return "", false
		}
		if p.Default != "" && values[0] == p.Default {
			continue
		}
		b.WriteByte('&')
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(values[0]))
	}
	return b.String(), true
}
