package manifest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// SQLContract is what a release asks of a database: every statement it may send, with the types it expects. Schema
// platctl.sqlcontract/v1. Whether release N-1 runs on schema N is decided by preparing these against schema N.
type SQLContract struct {
	Schema     string      `json:"schema"`
	Statements []Statement `json:"statements"`
}

// Statement is one named query.
type Statement struct {
	Name    string   `json:"name"`
	SQL     string   `json:"sql"`
	Params  []string `json:"params"`  // PostgreSQL type names
	Columns []Column `json:"columns"` // of the result, in order
	Inserts []string `json:"inserts"` // tables it inserts into: a new NOT NULL column there breaks it
}

// Column is one result column.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ContractSchema is the format's name and version.
func ContractSchema() format.Schema { return format.Schema{Name: "platctl.sqlcontract", Version: 1} }

// Marshal returns the canonical bytes of c, statements in the order of their names.
func (c SQLContract) Marshal() ([]byte, error) {
	c.Schema = ContractSchema().String()
	c.Statements = slices.Clone(c.Statements)
	slices.SortStableFunc(c.Statements, func(a, b Statement) int { return strings.Compare(a.Name, b.Name) })
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
	var c SQLContract
	if err := ContractSchema().Decode(data, &c); err != nil {
		return nil, fault.Op("read SQL contract", err)
	}
	return &c, nil
}
