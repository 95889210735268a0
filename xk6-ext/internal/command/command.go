// Package command is `k6 x platctl`: which extension this is, and the scenarios built into it.
//
// Invariants: version --json is the handshake by which platctl recognises its k6, so its fields only ever grow.
package command

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.k6.io/k6/v2/cmd/state"

	"github.com/platctl/platctl/xk6-ext/internal/summary"
	"github.com/platctl/platctl/xk6-ext/scenarios"
)

// Handshake is the answer of `k6 x platctl version --json`.
type Handshake struct {
	Schema    string   `json:"schema"` // of the document that --out platctl=FILE writes
	Extension string   `json:"extension"`
	K6        string   `json:"k6"`
	Scenarios []string `json:"scenarios"`
}

// New returns the subcommand.
func New(gs *state.GlobalState) *cobra.Command {
	c := &cobra.Command{
		Use:   "platctl",
		Short: "platctl's extension: version and built-in scenarios",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(versionCommand(gs), scenarioCommand(gs))
	return c
}

func versionCommand(gs *state.GlobalState) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print which extension and which k6 this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			h := Handshake{Schema: summary.Schema, Extension: summary.Version, K6: summary.K6Version(), Scenarios: scenarios.Names()}
			if asJSON {
				return json.NewEncoder(gs.Stdout).Encode(h)
			}
			_, err := fmt.Fprintf(gs.Stdout, "platctl extension %s, k6 %s, writes %s, scenarios: %s\n",
				h.Extension, h.K6, h.Schema, strings.Join(h.Scenarios, ", "))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

func scenarioCommand(gs *state.GlobalState) *cobra.Command {
	return &cobra.Command{
		Use:   "scenario [NAME]",
		Short: "Print the source of a built-in scenario, or list them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprintln(gs.Stdout, strings.Join(scenarios.Names(), "\n"))
				return err
			}
			src, err := scenarios.Source(args[0])
			if err != nil {
				return err
			}
			_, err = gs.Stdout.Write(src)
			return err
		},
	}
}
