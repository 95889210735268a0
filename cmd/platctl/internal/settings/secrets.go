package settings

import (
	"encoding/base64"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

const makeKey = "`head -c 32 /dev/urandom | base64` makes one"

// ServerSecrets is what a server can't run without, resolved. A field is empty where its setting is, which only happens
// outside production.
type ServerSecrets struct {
	DatabaseURL string
	SigningKey  []byte
	IDKey       []byte
}

// ServerSecrets resolves and checks them. It connects to nothing, so serve calls it before it starts anything.
func (s *Settings) ServerSecrets() (ServerSecrets, error) {
	c := s.Config
	var out ServerSecrets
	var err error
	if out.DatabaseURL, err = s.required("database.url", c.Database.URL); err != nil {
		return out, err
	}
	if out.SigningKey, err = s.key("auth.signing_key", c.Auth.SigningKey, "exactly 32", func(n int) bool { return n == 32 }); err != nil {
		return out, err
	}
	out.IDKey, err = s.key("auth.id_key", c.Auth.IDKey, "16 or more", func(n int) bool { return n >= 16 })
	return out, err
}

func (s *Settings) required(key string, ref config.Secret) (string, error) {
	if ref == "" && s.Config.Environment == config.Production {
		return "", fault.New(fault.Config, "%s is not set; production needs it", key).
			WithHint("set %s to env:NAME or file:PATH", EnvName(key))
	}
	return s.Secret(key, ref)
}

// key reads base64 of a number of bytes that fits.
func (s *Settings) key(key string, ref config.Secret, needs string, fits func(n int) bool) ([]byte, error) {
	text, err := s.required(key, ref)
	if err != nil || ref == "" {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		err = fault.New(fault.Config, "%s is not base64", key).WithHint(makeKey)
	case !fits(len(b)):
		err = fault.New(fault.Config, "%s has %d bytes; it needs %s", key, len(b), needs).WithHint(makeKey)
	}
	return b, err
}
