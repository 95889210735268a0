package trace

import "strings"

// Mode is a mode of a lock on a relation, as pg_locks spells it.
type Mode string

// The modes, weakest first.
const (
	AccessShare          Mode = "AccessShareLock"
	RowShare             Mode = "RowShareLock"
	RowExclusive         Mode = "RowExclusiveLock"
	ShareUpdateExclusive Mode = "ShareUpdateExclusiveLock"
	Share                Mode = "ShareLock"
	ShareRowExclusive    Mode = "ShareRowExclusiveLock"
	Exclusive            Mode = "ExclusiveLock"
	AccessExclusive      Mode = "AccessExclusiveLock"
)

// modes returns every mode, weakest first.
func modes() []Mode {
	return []Mode{AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive}
}

// rank orders modes by strength, 0 for what is none.
func (m Mode) rank() int {
	for i, x := range modes() {
		if x == m {
			return i + 1
		}
	}
	return 0
}

// String is the mode as people write it.
func (m Mode) String() string { return strings.TrimSuffix(string(m), "Lock") }

// conflicts is PostgreSQL's table of conflicting lock modes, one row a mode in the order of modes, weakest first.
func (m Mode) conflicts(other Mode) bool {
	var with [8]bool
	switch m {
	case AccessShare:
		with = [8]bool{7: true}
	case RowShare:
		with = [8]bool{6: true, 7: true}
	case RowExclusive:
		with = [8]bool{4: true, 5: true, 6: true, 7: true}
	case ShareUpdateExclusive:
		with = [8]bool{3: true, 4: true, 5: true, 6: true, 7: true}
	case Share:
		with = [8]bool{2: true, 3: true, 5: true, 6: true, 7: true}
	case ShareRowExclusive:
		with = [8]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	case Exclusive:
		with = [8]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	case AccessExclusive:
		with = [8]bool{true, true, true, true, true, true, true, true}
	}
	r := other.rank()
	return r > 0 && with[r-1]
}

// What a lock keeps others from.
const (
	Reads  = "reads"       // SELECT
	Locks  = "row locks"   // SELECT … FOR UPDATE and the like, and the checks of foreign keys that point here
	Writes = "writes"      // INSERT, UPDATE, DELETE
	DDL    = "maintenance" // VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY, most ALTER TABLE
)

// Blocks says what a lock keeps others from, the worst first.
func (m Mode) Blocks() []string {
	out := []string{}
	for _, b := range []struct {
		what string
		mode Mode
	}{{Reads, AccessShare}, {Locks, RowShare}, {Writes, RowExclusive}, {DDL, ShareUpdateExclusive}} {
		if m.conflicts(b.mode) {
			out = append(out, b.what)
		}
	}
	return out
}

// stops says whether requests of a running application wait for the lock.
func (m Mode) stops() bool { return m.conflicts(RowExclusive) || m.conflicts(AccessShare) }
