// Package format is the version rule of every file and message that two releases of platctl exchange.
//
// Each carries "schema": "<name>/v<N>". A reader whose own version is N accepts N-1, N and N+1: a release may be rolled
// back, so an older reader meets a newer file, and fields it does not know are ignored. Anything further away is an error
// that names both versions.
package format

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Schema is the name and the current version of one format.
type Schema struct {
	Name    string // for example platctl.manifest
	Version int    // what this platctl writes
}

// String returns the value of a document's "schema" field.
func (s Schema) String() string { return fmt.Sprintf("%s/v%d", s.Name, s.Version) }

// Accept returns the version that got names, or an error when this reader must not read it.
func (s Schema) Accept(got string) (int, error) {
	name, v, ok := strings.Cut(got, "/v")
	n, err := strconv.Atoi(v)
	if !ok || name != s.Name || err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "schema %.80q is not %s/v<N>", got, s.Name)
	}
	if n < s.Version-1 || n > s.Version+1 {
		return 0, fault.New(fault.Invalid, "schema %s: this platctl reads versions %d to %d", got, max(s.Version-1, 0), s.Version+1).
			WithHint("use a platctl of the release that wrote it, or a newer one")
	}
	return n, nil
}

// Decode reads one JSON document of this schema into v. Unknown fields are ignored, by contract.
func (s Schema) Decode(data []byte, v any) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fault.Wrap(err, fault.Invalid, "not a %s document", s.Name)
	}
	if _, err := s.Accept(head.Schema); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fault.Wrap(err, fault.Invalid, "not a valid %s document", head.Schema)
	}
	return nil
}
