package serve

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

// keyBytes is the size of a generated key; both keys take it.
const keyBytes = 32

// key returns the secret behind a setting. Outside production an unset one is made once and kept in the state directory,
// so that tokens and ids survive a restart.
func (o *options) key(name, setting string, ref config.Secret) ([]byte, error) {
	if ref == "" && o.set.Config.Environment == config.Production {
		return nil, fault.New(fault.Config, "%s is not set; production needs it", setting).
			WithHint("set it to env:NAME or file:PATH; `head -c 32 /dev/urandom | base64` makes one")
	}
	if ref == "" {
		path := filepath.Join(o.set.Config.StateDir, "keys", name+".key")
		if err := ensureKey(path); err != nil {
			return nil, err
		}
		ref = config.Secret("file:" + path)
	}
	text, err := o.set.Secret(setting, ref)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.New(fault.Config, "%s is not base64", setting)
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
	return nil
}
