package migrate

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/internal/base/fault"
)

// formatFlag adds --format to a command: how a result is shown to people. The first of the formats is the default.
func formatFlag(cmd *cobra.Command, to *string, usage string, formats ...string) {
	*to = formats[0]
	cmd.Flags().Var(&choice{to, formats}, "format", usage)
	err := cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	if err != nil { // only for a flag that isn't there
		panic(err)
	}
}

// choice is a flag with few values.
type choice struct {
	value *string
	of    []string
}

// String implements pflag.Value.
func (c *choice) String() string { return *c.value }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fault.New(fault.Usage, "it is none of %s", strings.Join(c.of, ", "))
	}
	*c.value = s
	return nil
}

// Type implements pflag.Value.
func (c *choice) Type() string { return "string" }
