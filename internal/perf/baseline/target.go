package baseline

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// CheckTarget returns the base URL of a target, or an error: Usage for what is no URL, Refused for a host that is neither
// this machine nor named in allowed. A load test of the wrong host is an attack, so the host is typed twice.
func CheckTarget(raw string, allowed []string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return "", fault.New(fault.Usage, "the target is no http or https URL").WithHint("such as http://127.0.0.1:8080")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.New(fault.Usage, "the target must have no user, query or fragment: they would end up in the baseline")
	}
	host := u.Hostname()
	if !loopback(host) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
		return "", fault.New(fault.Refused, "%s is not this machine", host).
			WithHint("a load test can take a server down; if %s is yours, add --allow-host %s", host, host)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}
