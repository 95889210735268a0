package serve

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// keyBytes is the size of a generated key; both keys take it.
const keyBytes = 32

// signingKeys reads the ring of signing keys: the one that is set, else the one in the state directory.
func (o *options) signingKeys(p keyring.Place) (*keyring.Source, error) {
	if p.IsZero() {
		p = keyring.Place{Name: "the signing key", Path: o.set.LocalKey("signing")}
		if err := ensureKey(p.Path); err != nil {
			return nil, err
		}
	}
	return keyring.Open(p, o.log)
}

// localKey returns the key that is made once and kept in the state directory, so that tokens and ids survive a restart
// where no key is set.
func (o *options) localKey(name string) ([]byte, error) {
	path := o.set.LocalKey(name)
	if err := ensureKey(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "the key %s can't be read", path)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fault.New(fault.Config, "the key %s is damaged", path).
			WithHint("restore it, or remove it: then a new one is made, and every id changes")
	}
	return key, nil
}

// ensureKey makes the key file where there is none. Two starts at once end with one key: link fails for the second.
func ensureKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fault.Op("look for the key", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(err, fault.Config, "can't make %s", filepath.Dir(path)).WithHint("set state_dir to a folder you can write to")
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fault.Op("make key", err)
	}
	defer os.Remove(tmp.Name())
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the process instead
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fault.Op("make key", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Op("make key", err)
	}
	return fault.Op("make key", durable.SyncDir(filepath.Dir(path)))
}
