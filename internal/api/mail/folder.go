package mail

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	netmail "net/mail"
	"os"
	"path/filepath"
	"time"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// Folder is a Sender that keeps every message as a file, whole or not at all: NAME.eml, in the order of sending. Nothing
// empties it: it is for development, where whoever tries the API reads the code in it.
type Folder struct {
	Dir  string
	From netmail.Address
}

// Send implements Sender.
func (f *Folder) Send(_ context.Context, m Message) (string, error) {
	now := time.Now()
	id, raw, err := compose(f.From, m, now)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return "", fault.Op("write mail", f.unwritable(err))
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	name := now.UTC().Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(random[:]) + ".eml"
	if err := durable.WriteFile(filepath.Join(f.Dir, name), raw, 0o600); err != nil {
		return "", fault.Op("write mail", f.unwritable(err))
	}
	return id, nil
}

func (f *Folder) unwritable(err error) error {
	return fault.Wrap(err, fault.Config, "no mail can be written to %s", f.Dir).WithHint("set mail.dir to a folder you can write to, with room for it")
}
