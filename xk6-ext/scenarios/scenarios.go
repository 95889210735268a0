// Package scenarios holds the load scenarios that are built into our k6, so that a baseline needs one binary and no files.
//
// Invariants: a scenario is self-contained, takes its parameters from the environment (see script.Plan) and runs with
// our k6 alone: k6 run -e BASE_URL=http://127.0.0.1:8080 feed_read.js.
package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.js
var files embed.FS

// Names lists the scenarios in alphabetical order.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".js")
	}
	return names
}

// Source returns the script of a scenario.
func Source(name string) ([]byte, error) {
	b, err := files.ReadFile(name + ".js")
	if err != nil {
		return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}
