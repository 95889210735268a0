package config

import (
	"net/url"
	"os"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Secret is a reference to a secret: "env:NAME" or "file:PATH". A plain value is accepted too, because a flag or an
// environment variable may carry one, but never from a file that could be committed.
type Secret string

// IsReference says whether s names a secret instead of being one.
func (s Secret) IsReference() bool {
	return strings.HasPrefix(string(s), "env:") || strings.HasPrefix(string(s), "file:")
}

// File returns the path of a secret that is kept in a file.
func (s Secret) File() (path string, ok bool) { return strings.CutPrefix(string(s), "file:") }

// Resolve returns the secret itself, which is never empty where s isn't: a key that is set must not count as one that is left
// out. lookup reads the environment; files are read here and lose one trailing newline.
func (s Secret) Resolve(key string, lookup func(string) (string, bool)) (string, error) {
	kind, name, _ := strings.Cut(string(s), ":")
	if name == "" && s.IsReference() {
		return "", fault.New(fault.Config, "%s is %q and refers to nothing", key, string(s)).WithHint("set it to env:NAME or file:PATH")
	}
	switch kind {
	case "env":
		v, ok := lookup(name)
		if !ok || v == "" {
			return "", fault.New(fault.Config, "%s refers to the environment variable %s, which is not set", key, name).
				WithHint("set %s, or point %s at a file with file:PATH", name, key)
		}
		return v, nil
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fault.Wrap(err, fault.Config, "%s refers to the file %s, which can't be read", key, name)
		}
		v := strings.TrimSuffix(string(b), "\n")
		if v == "" {
			return "", fault.New(fault.Config, "%s refers to the file %s, which is empty", key, name).WithHint("write the secret into it")
		}
		return v, nil
	}
	return string(s), nil
}

// String redacts: a reference is shown as it is, a database URL loses its password, anything else becomes "[redacted]".
func (s Secret) String() string {
	if s == "" || s.IsReference() {
		return string(s)
	}
	if u, err := url.Parse(string(s)); err == nil && u.Scheme != "" && u.Host+u.Path+u.RawQuery != "" {
		q := u.Query()
		for _, p := range []string{"password", "sslpassword"} {
			if q.Has(p) {
				q.Set(p, "xxxxx")
				u.RawQuery = q.Encode()
			}
		}
		return u.Redacted()
	}
	return "[redacted]"
}
