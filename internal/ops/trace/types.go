package trace

import (
	"time"

	"github.com/platctl/platctl/internal/ops/catalog"
)

// Report is what a trace saw.
type Report struct {
	Server   string  `json:"server"`             // version of the PostgreSQL that judged
	Scratch  string  `json:"scratch"`            // the database that was made for it, and dropped
	Template string  `json:"template,omitempty"` // the database that was cloned
	Rows     int     `json:"rows"`               // that an empty table was filled up to
	Untraced int     `json:"untraced"`           // files that were applied before the first traced one
	Files    []*File `json:"files"`
	Sizes    *Sizes  `json:"sizes,omitempty"` // of the database that --sizes-from names
	Dangers  int     `json:"dangers"`         // of all files
}

// File is one migration.
type File struct {
	Version     int64        `json:"version"`
	Name        string       `json:"name"`
	Phase       string       `json:"phase,omitempty"`
	Transaction bool         `json:"transaction"`
	Up          []*Statement `json:"up"`
	Down        []*Statement `json:"down"`
	Strongest   *Hold        `json:"strongest,omitempty"` // of the way up, on a relation that was there before
	Way         Way          `json:"way_down"`
	Unfilled    []Unfilled   `json:"unfilled,omitempty"` // tables that stay empty, as of before this file
	Hints       []Hint       `json:"hints"`
	Dangers     []string     `json:"dangers"`
	Failure     *Failure     `json:"failure,omitempty"`
}

// Statement is what one statement did.
type Statement struct {
	Index    int       `json:"index"` // from 1
	Line     int       `json:"line"`
	SQL      string    `json:"sql"` // on one line, shortened
	TookMS   float64   `json:"took_ms"`
	Locks    []Lock    `json:"locks"`              // taken by it, the strongest first; what catalogues of the system take is left out
	Held     []Lock    `json:"held,omitempty"`     // taken before it in the same transaction, that stop reads or writes
	Rewrites []string  `json:"rewrites"`           // relations with new files
	Emptied  []string  `json:"emptied,omitempty"`  // by TRUNCATE, which makes new files too
	Scans    []Scan    `json:"scans"`              // tables that were read whole
	Waits    []Wait    `json:"waits,omitempty"`    // for locks, of others than the gates
	Notices  []string  `json:"notices,omitempty"`  // of the server, about rewriting and verifying
	Attempts int       `json:"attempts,omitempty"` // where it took more than one
	Blocked  *Estimate `json:"blocked,omitempty"`  // at the size that --sizes-from tells

	began time.Time
}

// Lock is a lock that a statement took.
type Lock struct {
	Relation string   `json:"relation"`
	Kind     string   `json:"kind"` // table, index, view, …
	Mode     Mode     `json:"mode"`
	Blocks   []string `json:"blocks"`        // reads, row locks, writes, maintenance
	New      bool     `json:"new,omitempty"` // made by the same file: nobody else uses it yet

	oid uint32
}

// Scan is a table that was read whole.
type Scan struct {
	Table  string `json:"table"`
	Passes int64  `json:"passes"`
	Tuples int64  `json:"tuples"`        // read; workers of a parallel scan count apart and are not in it
	New    bool   `json:"new,omitempty"` // made by the same file
}

// Wait is a lock that a statement had to wait for.
type Wait struct {
	For    string  `json:"for"` // what is locked
	Mode   string  `json:"mode"`
	MS     float64 `json:"ms"`
	Behind []int   `json:"behind,omitempty"` // process ids

	oid uint32
}

// Hold is the strongest lock of a file and how long it is held.
type Hold struct {
	Relation string   `json:"relation"`
	Mode     Mode     `json:"mode"`
	Blocks   []string `json:"blocks"`
	Taken    int      `json:"taken"` // by which statement, from 1
	Over     int      `json:"over"`  // statements that follow it in the same transaction
}

// Hint is a rule that a file touches.
type Hint struct {
	Rule      string `json:"rule"`
	Statement int    `json:"statement"` // from 1
	Text      string `json:"text"`
}

// The classes of a way down.
const (
	WayIdentical = "identical"
	WayOrder     = "order only" // the columns stand in another order
	WayLossy     = "lossy"
	WayNone      = "no way down"
	WayUnknown   = "not tried" // the way up has failed
)

// Way is what up, down and up again leave of the schema.
type Way struct {
	Class  string         `json:"class"`
	Lost   []catalog.Fact `json:"lost,omitempty"`   // after up and down, against before
	Gained []catalog.Fact `json:"gained,omitempty"` // the same
	Again  *catalog.Diff  `json:"again,omitempty"`  // the second way up against the first, where they differ
	Data   []string       `json:"data,omitempty"`   // columns whose content is not what it was
}

// Failure is a migration that failed.
type Failure struct {
	Down      bool   `json:"down"`
	Statement int    `json:"statement,omitempty"` // from 1; 0 where no statement is to blame
	Line      int    `json:"line,omitempty"`
	SQLState  string `json:"sqlstate,omitempty"`
	Message   string `json:"message"`
	State     string `json:"state"` // of the file then, as its ledger row says
}

// Unfilled is a table that could not be filled.
type Unfilled struct {
	Table string `json:"table"`
	Why   string `json:"why"`
}
