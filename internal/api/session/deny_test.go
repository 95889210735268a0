package session_test

import (
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/session"
)

func TestDenyMap(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := session.NewDenyMap()
	d.DenySession(7, time.Hour)
	d.DenySession(7, time.Nanosecond) // a shorter memory of the same thing changes nothing
	d.DenySession(8, -time.Second)
	d.DenyUser(3, now, time.Hour)
	d.DenyUser(3, now.Add(-time.Minute), time.Nanosecond)
	for _, c := range []struct {
		name          string
		user, session int64
		issued        time.Time
		want          bool
	}{
		{"a denied session", 1, 7, now, true},
		{"another session", 1, 9, now, false},
		{"a denied user's older token", 3, 9, now.Add(-time.Second), true},
		{"issued at the moment of the denial", 3, 9, now, true},
		{"a denied user's newer token", 3, 9, now.Add(time.Second), false},
		{"a user with the number of a session", 7, 1, now, false},
	} {
		if got := d.Denies(c.user, c.session, c.issued); got != c.want {
			t.Errorf("%s: denied %v, want %v", c.name, got, c.want)
		}
	}
	if d.Len() != 3 {
		t.Errorf("%d entries, want 3", d.Len())
	}
	d.Prune()
	if d.Len() != 2 || !d.Denies(1, 7, now) || !d.Denies(3, 9, now) {
		t.Errorf("%d entries after Prune, want the two that still live", d.Len())
	}
}

// What every authenticated request pays, with 100,000 entries and two readers.
func BenchmarkDenyMap(b *testing.B) {
	d := session.NewDenyMap()
	for i := range int64(100_000) {
		d.DenySession(i*2, time.Hour)
	}
	issued := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			if d.Denies(1, i%100_000*2+1, issued) {
				b.Fail()
			}
		}
	})
}
