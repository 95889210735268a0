package command

import (
	"github.com/spf13/cobra"

	"github.com/platctl/platctl/internal/base/config"
)

// KeyAnnotation marks a flag that sets a configuration key.
const KeyAnnotation = "platctl.key"

// KeyFlag adds a flag that sets the configuration key, with the key's own documentation. The value is read from the
// settings, never from the flag, so flag, environment and file are one thing.
func KeyFlag(cmd *cobra.Command, name, key string) {
	doc := ""
	for _, f := range config.Fields("") {
		if f.Key == key {
			doc = f.Doc
		}
	}
	cmd.Flags().String(name, "", doc+" (key "+key+")")
	_ = cmd.Flags().SetAnnotation(name, KeyAnnotation, []string{key})
}
