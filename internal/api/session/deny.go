package session

import (
	"sync"
	"time"
)

// DenyMap is what must be refused although its token has not expired. An entry leaves by its age only, so entries can be
// added twice and in any order. It counts time from its own making: the database's clock and ours may differ.
type DenyMap struct {
	mu       sync.RWMutex
	born     time.Time
	sessions map[int64]time.Duration // until when, since born
	users    map[int64]userDenial
}

type userDenial struct {
	upto  int64 // session
	until time.Duration
}

// NewDenyMap returns an empty map.
func NewDenyMap() *DenyMap {
	return &DenyMap{born: time.Now(), sessions: map[int64]time.Duration{}, users: map[int64]userDenial{}}
}

// DenySession refuses a session for the given time.
func (d *DenyMap) DenySession(id int64, remaining time.Duration) {
	until := time.Since(d.born) + remaining
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[id] = max(until, d.sessions[id])
}

// DenyUser refuses the sessions of a user up to a number, for the given time. Numbers only grow, and unlike times they don't
// depend on whose clock it is.
func (d *DenyMap) DenyUser(id, upto int64, remaining time.Duration) {
	until := time.Since(d.born) + remaining
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.users[id]
	d.users[id] = userDenial{max(upto, old.upto), max(until, old.until)}
}

// Denies says whether a token of this user's session must be refused.
func (d *DenyMap) Denies(user, session int64) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if _, ok := d.sessions[session]; ok {
		return true
	}
	u, ok := d.users[user]
	return ok && session <= u.upto
}

// Len is the number of entries.
func (d *DenyMap) Len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.sessions) + len(d.users)
}

// Prune drops the entries whose time has come.
func (d *DenyMap) Prune() {
	now := time.Since(d.born)
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, until := range d.sessions {
		if until < now {
			delete(d.sessions, id)
		}
	}
	for id, u := range d.users {
		if u.until < now {
			delete(d.users, id)
		}
	}
}
