// Package keys is `platctl keys`: the keys that sign access tokens.
package keys

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/base/fault"
)

// onlySigning is what both commands say about the other key.
const onlySigning = "The key behind public ids (auth.id_key) can't be rotated: another one would change every id that anybody has stored."

// New returns `platctl keys`.
func New(d *command.Deps) *cobra.Command {
	return command.Group("keys", "Look at the keys that sign access tokens and replace them", newList(d), newRotate(d))
}

// Key is one signing key as people see it: never the key itself.
type Key struct {
	Kid           string        `json:"kid"`
	State         keyring.State `json:"state"`
	Made          *time.Time    `json:"made,omitempty"`           // absent: unknown
	SignsFrom     *time.Time    `json:"signs_from,omitempty"`     // absent: always
	VerifiesUntil *time.Time    `json:"verifies_until,omitempty"` // absent: until the next rotation
}

// place returns where the signing keys are, as serve would read them.
func place(s *settings.Settings) (keyring.Place, error) {
	p, err := s.SigningKeys()
	if err != nil || !p.IsZero() {
		return p, err
	}
	p = keyring.Place{Name: "the signing key", Path: s.LocalKey("signing")}
	if _, err := os.Stat(p.Path); errors.Is(err, fs.ErrNotExist) {
		return p, fault.New(fault.NotFound, "there is no signing key yet: auth.signing_key is not set, and %s does not exist", p.Path).
			WithHint("`platctl serve` makes one outside production; to use one of your own, set auth.signing_key to file:PATH")
	}
	return p, nil
}

// shown says where a ring is: the reference, never the value.
func shown(s *settings.Settings, p keyring.Place) string {
	if p.Path != "" {
		return p.Path
	}
	return s.Config.Auth.SigningKey.String()
}

func describe(r keyring.Ring, now time.Time) []Key {
	out := make([]Key, 0, len(r.Keys()))
	for _, k := range r.Keys() {
		out = append(out, Key{
			Kid: k.Kid, State: r.State(k, now), Made: orNil(k.Made), SignsFrom: orNil(k.SignsFrom), VerifiesUntil: orNil(k.VerifiesUntil),
		})
	}
	return out
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
