package keyring

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
)

// foreign are the rights that nobody but a key file's owner and readers in its group may have: any right of others, and writing.
const foreign = 0o027

// Place is where a ring is kept.
type Place struct {
	Name string // for messages: auth.signing_key
	Path string // a file, which servers follow and a rotation rewrites
	Text string // where Path is empty: the ring itself
}

// IsZero says that there is none.
func (p Place) IsZero() bool { return p.Path == "" && p.Text == "" }

// Load reads the ring.
func (p Place) Load() (Ring, error) {
	r, _, err := p.read()
	return r, err
}

// read returns the ring, and the bytes that it was read from.
func (p Place) read() (Ring, []byte, error) {
	text := []byte(p.Text)
	if p.Path != "" {
		var err error
		if text, err = p.file(); err != nil {
			return Ring{}, nil, err
		}
	}
	r, err := Parse(text)
	if err != nil {
		return Ring{}, nil, fault.New(fault.Config, "%s %s", p.subject(), err).
			WithHint("restore it from a backup; `head -c 32 /dev/urandom | base64` makes a new one, and then all access tokens end")
	}
	return r, text, nil
}

func (p Place) subject() string {
	if p.Path != "" {
		return p.Name + " (" + p.Path + ")"
	}
	return p.Name
}

// file reads the file, unless others may read it: what they have read is no secret any more.
func (p Place) file() ([]byte, error) {
	st, err := os.Stat(p.Path)
	if err == nil && st.Mode().Perm()&foreign != 0 {
		return nil, fault.New(fault.Config, "%s has mode %04o: others may read or change it", p.subject(), st.Mode().Perm()).
			WithHint("chmod 600 %s; if they may have read it, `platctl keys rotate --compromised`", p.Path)
	}
	var text []byte
	if err == nil {
		text, err = durable.ReadFile(p.Path, maxBytes)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "%s can't be read", p.subject()).
			WithHint("it has to be a file of at most %d bytes that this user may read", maxBytes)
	}
	return text, nil
}

// Rewrite replaces the ring in the file by what change makes of it. Of two at once the second is told that the first is at it.
func (p Place) Rewrite(change func(Ring) (Ring, error)) error {
	real, err := filepath.EvalSymlinks(p.Path) // the file is replaced, never the link to it
	if err != nil {
		return fault.Wrap(err, fault.Config, "%s can't be found", p.subject())
	}
	release, err := p.lock(real)
	if err != nil {
		return err
	}
	defer release()
	old, _, err := p.read()
	if err != nil {
		return err
	}
	next, err := change(old)
	if err != nil {
		return err
	}
	text, err := next.Marshal()
	if err != nil {
		return err
	}
	if err := durable.Replace(real, text); err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be written; the old ring is in force", p.subject())
	}
	return nil
}

// lock keeps others from rewriting the file that is at path now.
func (p Place) lock(path string) (release func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "%s can't be read", p.subject())
	}
	busy := fault.New(fault.Busy, "another `platctl keys rotate` is writing %s", p.subject())
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, busy
	}
	locked, err1 := f.Stat()
	there, err2 := os.Stat(path)
	if errors.Join(err1, err2) != nil || !os.SameFile(locked, there) { // it was replaced while we took the lock
		f.Close()
		return nil, busy
	}
	return func() { f.Close() }, nil
}
