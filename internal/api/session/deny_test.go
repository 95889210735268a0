package session_test

import (
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/session"
)

func TestDenyMap(t *testing.T) {
	t.Parallel()
	d := session.NewDenyMap()
	d.DenySession(7, time.Hour)
	d.DenySession(7, time.Nanosecond) // a shorter memory of the same thing changes nothing
	d.DenySession(8, -time.Second)
	d.DenyUser(3, 20, time.Hour)
	d.DenyUser(3, 10, time.Nanosecond)
	for _, c := range []struct {
		name          string
		user, session int64
		want          bool
	}{
		{"a denied session", 1, 7, true},
		{"another session", 1, 9, false},
		{"a denied user's older session", 3, 9, true},
		{"their newest session at the denial", 3, 20, true},
		{"one that was opened afterwards", 3, 21, false},
		{"a user with the number of a session", 7, 1, false},
	} {
		if got := d.Denies(c.user, c.session); got != c.want {
			t.Errorf("%s: denied %v, want %v", c.name, got, c.want)
		}
	}
	if d.Len() != 3 {
		t.Errorf("%d entries, want 3", d.Len())
	}
	d.Prune()
	if d.Len() != 2 || !d.Denies(1, 7) || !d.Denies(3, 9) {
		t.Errorf("%d entries after Prune, want the two that still live", d.Len())
	}
}

// What every authenticated request pays, with 100,000 entries and two readers.
func BenchmarkDenyMap(b *testing.B) {
	d := session.NewDenyMap()
	for i := range int64(100_000) {
		d.DenySession(i*2, time.Hour)
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			if d.Denies(1, i%100_000*2+1) {
				b.Fail()
			}
		}
	})
}
