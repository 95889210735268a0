package keys

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/keyring"
	"github.com/platctl/platctl/internal/base/fault"
)

// RotateResult is the data of `platctl keys rotate --json`.
type RotateResult struct {
	Source  string   `json:"source"`
	DryRun  bool     `json:"dry_run"`
	Kid     string   `json:"kid"` // of the new key; with --dry-run "new"
	Keys    []Key    `json:"keys"`
	Pruned  []string `json:"pruned"`            // keys that had ended, or waited when the ring was cut
	Bare    bool     `json:"bare"`              // it was a key without a ring, as releases before key rings read it
	Content string   `json:"content,omitempty"` // with --print-secret: the ring to be stored
}

// turn returns the ring after the rotation.
func (o rotateOptions) turn(r keyring.Ring) (keyring.Ring, error) {
	return r.Rotate(keyring.Rotation{
		Now: o.Now(), Seed: keyring.NewSeed(), Grace: o.Grace, Overlap: account.KeyOverlap(o.TTL), Cut: o.Compromised,
	})
}

// result tells about a rotation. A key that is not stored yet has no name: another one will be made.
func (o rotateOptions) result(old, next keyring.Ring, stored bool) RotateResult {
	now := o.Now()
	res := RotateResult{Source: o.Source, DryRun: o.DryRun, Keys: describe(next, now), Pruned: []string{}}
	if n := len(res.Keys); n > 0 {
		if !stored {
			res.Keys[n-1].Kid = "new"
		}
		res.Kid = res.Keys[n-1].Kid
	}
	res.Bare = len(old.Keys()) == 1 && old.Keys()[0].SignsFrom.IsZero()
	for _, k := range old.Keys() {
		if !slices.ContainsFunc(next.Keys(), func(n keyring.Key) bool { return n.Kid == k.Kid }) {
			res.Pruned = append(res.Pruned, k.Kid)
		}
	}
	return res
}

func badGrace(d time.Duration) error {
	if d < minGrace {
		return fault.New(fault.Usage, "--grace %s is too short: a server needs up to 2s to read the keys, others up to 20s", d).
			WithHint("%s or more", minGrace)
	}
	return fault.New(fault.Usage, "--grace %s is too long: nothing but --compromised rotates meanwhile", d).WithHint("%s or less", maxGrace)
}

func tell(o rotateOptions, w io.Writer, res RotateResult) error {
	if err := table(o.Printer, w, res.Keys); err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("a new key signs in %s; the one before is believed until its last token has expired", o.Grace)}
	if o.Compromised {
		lines = []string{fmt.Sprintf("a new key signs in %s; then every older token is refused, and clients refresh", o.Grace)}
	}
	if res.Bare {
		lines = append(lines, "a release from before key rings can't read the new ring: don't roll back to one")
	}
	for _, kid := range res.Pruned {
		lines = append(lines, kid+" is dropped")
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}
