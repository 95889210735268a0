// Package keyring is the keys that sign access tokens: which one signs, which ones are believed, and how a new one takes over
// without a token being lost.
//
// Invariants: at every moment exactly one key of a ring signs, and it is believed for as long as what it signed may live. A
// new key is believed from the moment a server has read it, and signs only later, when every server has. A ring that breaks
// a rule is never used: a server that finds one in its file keeps the ring that it has. Seeds leave this package as a private
// key to sign with and as the content of a file; a printed Ring or Key shows names only.
//
// The key behind public ids (auth.id_key) is no part of this: another one would change every id.
package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

const (
	maxKeys  = 32
	maxBytes = 64 << 10
)

// Schema is the name and version of a ring's file.
func Schema() format.Schema { return format.Schema{Name: "platctl.keyring", Version: 1} }

// Key is one key of a ring. A zero time is unknown (Made), always (SignsFrom) or never (VerifiesUntil).
type Key struct {
	Kid           string
	Made          time.Time
	SignsFrom     time.Time
	VerifiesUntil time.Time

	private *ed25519.PrivateKey // a pointer: no verb of fmt follows one that stands in a struct
}

// Public returns the key that others verify with.
func (k Key) Public() ed25519.PublicKey { return k.Private().Public().(ed25519.PublicKey) }

// Private returns the key to sign with.
func (k Key) Private() ed25519.PrivateKey { return *k.private }

// believed says whether a token of k counts at now. It does before k signs too: another server's clock may be ahead.
func (k Key) believed(now time.Time) bool {
	return k.VerifiesUntil.IsZero() || now.Before(k.VerifiesUntil)
}

// String returns the name.
func (k Key) String() string { return k.Kid }

// Ring is a set of keys in the order in which they sign. The zero Ring is no ring.
type Ring struct{ keys []Key }

// String returns the names.
func (r Ring) String() string {
	kids := make([]string, len(r.keys))
	for i, k := range r.keys {
		kids[i] = k.Kid
	}
	return strings.Join(kids, " ")
}

// Keys returns the keys, the oldest first.
func (r Ring) Keys() []Key { return slices.Clone(r.keys) }

// Signer returns the key that signs at now: the last one whose time has come. Where a clock is so wrong that none has, it is
// the first.
func (r Ring) Signer(now time.Time) Key {
	for _, k := range slices.Backward(r.keys) {
		if !k.SignsFrom.After(now) {
			return k
		}
	}
	return r.keys[0]
}

// Verifier returns the key with this name, if a token that names it counts at now.
func (r Ring) Verifier(kid string, now time.Time) (ed25519.PublicKey, bool) {
	for _, k := range r.keys {
		if k.Kid == kid && k.believed(now) {
			return k.Public(), true
		}
	}
	return nil, false
}

// Believed returns the keys whose tokens count at now, the oldest first.
func (r Ring) Believed(now time.Time) []Key {
	return slices.DeleteFunc(r.Keys(), func(k Key) bool { return !k.believed(now) })
}

// State is what a key does.
type State string

// The states.
const (
	Signs    State = "signs"
	Waits    State = "waits"    // believed, and signs later
	Believed State = "believed" // signs no more
	Ended    State = "ended"
)

// State returns what k, a key of r, does at now.
func (r Ring) State(k Key, now time.Time) State {
	switch {
	case k.Kid == r.Signer(now).Kid:
		return Signs
	case !k.believed(now):
		return Ended
	case k.SignsFrom.After(now):
		return Waits
	}
	return Believed
}

// NewSeed returns what a new key is made from.
func NewSeed() []byte {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: crypto/rand aborts the process instead
	return seed
}

// Single returns the ring of one key without an end.
func Single(seed []byte) (Ring, error) {
	if len(seed) != ed25519.SeedSize {
		return Ring{}, fault.New(fault.Invalid, "has %d bytes; it needs exactly %d", len(seed), ed25519.SeedSize)
	}
	return Ring{[]Key{newKey(seed)}}, nil
}

func newKey(seed []byte) Key {
	private := ed25519.NewKeyFromSeed(seed)
	k := Key{private: &private}
	sum := sha256.Sum256(k.Public())
	k.Kid = hex.EncodeToString(sum[:8])
	return k
}

// Rotation is how a new key takes over.
type Rotation struct {
	Now     time.Time
	Seed    []byte        // of the new key
	Grace   time.Duration // until it signs: every server has to have read the ring by then
	Overlap time.Duration // how long the key before it is believed after that
	// Cut ends every older key when the new one signs, whatever it has signed, and drops one that waits: it may be known too.
	Cut bool
}

// Rotate returns r with a new key, and without the keys that have ended. One rotation at a time: while a key waits there is
// no next one, but a cut.
func (r Ring) Rotate(o Rotation) (Ring, error) {
	fresh, err := Single(o.Seed)
	if err != nil {
		return Ring{}, err
	}
	now := o.Now.UTC().Truncate(time.Second)
	waits := func(k Key) bool { return k.SignsFrom.After(now) }
	if last := r.keys[len(r.keys)-1]; waits(last) && !o.Cut {
		return Ring{}, fault.New(fault.Busy, "the key %s signs from %s; there is one rotation at a time", last.Kid, last.SignsFrom.Format(time.RFC3339))
	}
	k := fresh.keys[0]
	k.Made, k.SignsFrom = now, now.Add(o.Grace).Truncate(time.Second)
	out := slices.DeleteFunc(r.Believed(now), waits)
	for i, old := range out {
		end := k.SignsFrom.Add(o.Overlap)
		if o.Cut {
			end = k.SignsFrom
		}
		if old.VerifiesUntil.IsZero() || o.Cut && end.Before(old.VerifiesUntil) {
			out[i].VerifiesUntil = end
		}
	}
	next := Ring{append(out, k)}
	return next, next.check()
}

// check returns what is wrong with r.
func (r Ring) check() error {
	if len(r.keys) == 0 || len(r.keys) > maxKeys {
		return fault.New(fault.Invalid, "has %d keys; it needs between 1 and %d", len(r.keys), maxKeys)
	}
	seen := map[string]bool{}
	for i, k := range r.keys {
		if seen[k.Kid] {
			return fault.New(fault.Invalid, "has the key %s twice", k.Kid)
		}
		seen[k.Kid] = true
		last := i == len(r.keys)-1
		switch {
		case last && !k.VerifiesUntil.IsZero():
			return fault.New(fault.Invalid, "has no key that signs for good: %s, the last one, ends", k.Kid)
		case !last && (k.VerifiesUntil.IsZero() || k.VerifiesUntil.Before(r.keys[i+1].SignsFrom)):
			return fault.New(fault.Invalid, "has a key, %s, that is not believed until %s signs, or for ever after", k.Kid, r.keys[i+1].Kid)
		case !last && r.keys[i+1].SignsFrom.Before(k.SignsFrom):
			return fault.New(fault.Invalid, "has its keys in another order than they sign in: %s, %s", k.Kid, r.keys[i+1].Kid)
		}
	}
	return nil
}

// document is a ring as it is stored.
type document struct {
	Schema string      `json:"schema"`
	Keys   []storedKey `json:"keys"`
}

type storedKey struct {
	Kid           string     `json:"kid"`
	Seed          string     `json:"seed"`
	Made          *time.Time `json:"made,omitempty"`
	SignsFrom     *time.Time `json:"signs_from,omitempty"`
	VerifiesUntil *time.Time `json:"verifies_until,omitempty"`
}

// Parse reads a ring, or 32 bytes in base64: the ring of one key that older releases had. An error says what is wrong with
// the text, as the rest of a sentence about it, and shows nothing of it.
func Parse(text []byte) (Ring, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || len(text) > maxBytes {
		return Ring{}, fault.New(fault.Invalid, "has %d bytes; a ring has between 1 and %d", len(text), maxBytes)
	}
	if text[0] != '{' {
		seed, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return Ring{}, fault.New(fault.Invalid, "is neither base64 nor a ring of keys")
		}
		return Single(seed)
	}
	var doc document
	if err := Schema().Decode(text, &doc); err != nil {
		return Ring{}, fault.New(fault.Invalid, "is not a ring of keys that this platctl reads (%s)", Schema())
	}
	var r Ring
	for _, s := range doc.Keys {
		seed, err := base64.StdEncoding.DecodeString(s.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return Ring{}, fault.New(fault.Invalid, "has a key whose seed is not %d bytes in base64", ed25519.SeedSize)
		}
		k := newKey(seed)
		if k.Kid != s.Kid {
			return Ring{}, fault.New(fault.Invalid, "has a key %s under a name that is not its own", k.Kid)
		}
		k.Made, k.SignsFrom, k.VerifiesUntil = orZero(s.Made), orZero(s.SignsFrom), orZero(s.VerifiesUntil)
		r.keys = append(r.keys, k)
	}
	return r, r.check()
}

// Marshal returns the content of r's file: one key a line.
func (r Ring) Marshal() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"schema":"` + Schema().String() + `","keys":[` + "\n")
	for i, k := range r.keys {
		line, err := json.Marshal(storedKey{
			Kid: k.Kid, Seed: base64.StdEncoding.EncodeToString(k.Private().Seed()),
			Made: orNil(k.Made), SignsFrom: orNil(k.SignsFrom), VerifiesUntil: orNil(k.VerifiesUntil),
		})
		if err != nil {
			return nil, fault.Op("write key ring", err)
		}
		b.Write(line)
		if i < len(r.keys)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]}\n")
	return b.Bytes(), nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
