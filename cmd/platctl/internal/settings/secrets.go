package settings

import (
	"encoding/base64"
	"path/filepath"

	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/api/ratelimit"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

const makeKey = "`head -c 32 /dev/urandom | base64` makes one"

// ServerSecrets is what a server can't run without, resolved. A field is empty where its setting is, which only happens
// outside production.
type ServerSecrets struct {
	DatabaseURL string
	SigningKeys keyring.Place
	IDKey       []byte
	SMTPURL     string
	RedisURL    string
}

// ServerSecrets resolves and checks them. It connects to nothing, so serve calls it before it starts anything.
func (s *Settings) ServerSecrets() (ServerSecrets, error) {
	c := s.Config
	var out ServerSecrets
	var err error
	if out.DatabaseURL, err = s.required("database.url", c.Database.URL); err != nil {
		return out, err
	}
	if out.SigningKeys, err = s.SigningKeys(); err != nil {
		return out, err
	}
	if !out.SigningKeys.IsZero() {
		if _, err = out.SigningKeys.Load(); err != nil {
			return out, err
		}
	}
	if out.IDKey, err = s.key("auth.id_key", c.Auth.IDKey, "16 or more", func(n int) bool { return n >= 16 }); err != nil {
		return out, err
	}
	if out.SMTPURL, err = s.MailServer(); err != nil {
		return out, err
	}
	if out.RedisURL, err = s.Secret("ratelimit.redis_url", c.RateLimit.RedisURL); err == nil && out.RedisURL != "" {
		err = ratelimit.CheckRedisURL(out.RedisURL)
	}
	return out, err
}

// MailServer resolves the URL of the mail server, empty where there is none. Codes that nobody can receive would keep everybody out, so production has one.
func (s *Settings) MailServer() (string, error) {
	c := s.Config
	if c.Environment == config.Production && c.VerifiesEmail() && c.Mail.SMTPURL == "" {
		return "", fault.New(fault.Config, "mail.smtp_url is not set; production needs it to confirm e-mail addresses").
			WithHint("set %s to env:NAME or file:PATH, or auth.email_verification to off", EnvName("mail.smtp_url"))
	}
	if c.Mail.SMTPURL != "" && c.Mail.From == "" {
		return "", fault.New(fault.Config, "mail.from is not set; mail.smtp_url needs it").
			WithHint(`set %s to "Market <noreply@example.org>"`, EnvName("mail.from"))
	}
	return s.Secret("mail.smtp_url", c.Mail.SMTPURL)
}

// SigningKeys says where the ring of signing keys is; zero where that is not set.
func (s *Settings) SigningKeys() (keyring.Place, error) {
	const key = "auth.signing_key"
	ref := s.Config.Auth.SigningKey
	if path, ok := ref.File(); ok && path != "" {
		return keyring.Place{Name: key, Path: path}, nil
	}
	text, err := s.required(key, ref)
	return keyring.Place{Name: key, Text: text}, err
}

// LocalKey is the file of a key that a server makes itself where its setting is empty, which production refuses.
func (s *Settings) LocalKey(name string) string {
	return filepath.Join(s.Config.StateDir, "keys", name+".key")
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
