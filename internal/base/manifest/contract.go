package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// MaxContractBytes bounds a contract; one of 1,000 statements over 200 tables has some 3 MB.
const MaxContractBytes = 32 << 20

// SQLContract is what a release asks of a database: every statement it may send, with the types it expects, and what was true of
// the tables it touches when it was built. Schema platctl.sqlcontract/v1. Whether release N-1 runs on schema N is decided by
// preparing these against schema N and by comparing the facts, so neither the old schema nor its files are needed then.
//
// The fields that came later are optional and version 1 is still version 1: what the first ones mean is unchanged, an older reader
// ignores the others, and a newer one can tell a document without them, which proves less.
type SQLContract struct {
	Schema     string      `json:"schema"`
	App        string      `json:"app,omitempty"`
	BuiltOn    int64       `json:"built_on,omitempty"` // the newest migration of the database that it was made on
	Server     int         `json:"server,omitempty"`   // that server's major version: it words definitions its own way
	Statements []Statement `json:"statements"`
	Facts      []Fact      `json:"facts,omitempty"` // none: made before facts were kept
}

// Statement is one named query.
type Statement struct {
	Name      string   `json:"name"`
	SQL       string   `json:"sql"`
	Params    []string `json:"params"`  // PostgreSQL type names
	Columns   []Column `json:"columns"` // of the result, in order
	Inserts   []string `json:"inserts"` // tables it inserts into: a new NOT NULL column there breaks it
	Updates   []string `json:"updates,omitempty"`
	Deletes   []string `json:"deletes,omitempty"`
	Indirect  []string `json:"indirect,omitempty"`    // tables that triggers, cascades and functions may write for it
	Conflicts []string `json:"on_conflict,omitempty"` // unique indexes that its ON CONFLICT names
	Uses      []Use    `json:"uses,omitempty"`        // relations it reads or writes, its views' and functions' too
	Functions []string `json:"functions,omitempty"`   // that people have made, with those they call and those of triggers
	Types     []string `json:"types,omitempty"`       // that people have made
}

// Use is a relation and what is needed of it.
type Use struct {
	Relation string `json:"relation"`
	// Columns are those read or written. "*": any, for a function that can't be looked into has the relation. "+": a function takes
	// its rows as a whole, so a new column may matter.
	Columns []string `json:"columns"`
}

// Column is one result column.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	From string `json:"not_null,omitempty"` // the NOT NULL column whose value it is
}

// Fact is one thing that was true of a relation, function or type, as the catalogue words it.
type Fact struct {
	Kind   string `json:"kind"`
	Object string `json:"object"`
	Fact   string `json:"fact"`
}

// ContractSchema is the format's name and version.
func ContractSchema() format.Schema { return format.Schema{Name: "platctl.sqlcontract", Version: 1} }

// Marshal returns the canonical bytes of c: statements in the order of their names, facts sorted.
func (c SQLContract) Marshal() ([]byte, error) {
	c.Schema = ContractSchema().String()
	c.Statements, c.Facts = slices.Clone(c.Statements), slices.Clone(c.Facts)
	slices.SortStableFunc(c.Statements, func(a, b Statement) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.Facts, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Fact, b.Fact))
	})
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		return nil, fault.Op("write SQL contract", err)
	}
	return buf.Bytes(), nil
}

// ParseContract reads an SQL contract.
func ParseContract(data []byte) (*SQLContract, error) {
	if len(data) > MaxContractBytes {
		return nil, fault.New(fault.TooLarge, "an SQL contract has at most %d MB", MaxContractBytes>>20)
	}
	var c SQLContract
	if err := ContractSchema().Decode(data, &c); err != nil {
		return nil, fault.Op("read SQL contract", err)
	}
	return &c, nil
}

// ReadContract reads the SQL contract in a file.
func ReadContract(path string) (*SQLContract, error) {
	data, err := durable.ReadFile(path, MaxContractBytes)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "the SQL contract %s can't be read", path).
			WithHint("`platctl migrate contract` makes one")
	}
	return ParseContract(data)
}
