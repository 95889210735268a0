// Command k6 is k6 with platctl's extension compiled in. It takes the same commands and flags as k6.
//
// k6 v2.2.0 calls home for two reasons: usage reports (after `run` and after every `x` subcommand) and the catalogue
// of extensions (`k6 x` fetches it while it builds its help). A load generator has no business on other networks than
// its target's, so both are off here unless the environment says otherwise.
package main

import (
	"os"

	k6cmd "go.k6.io/k6/v2/cmd"

	_ "github.com/platctl/platctl/xk6-ext"
)

func main() {
	preset("K6_NO_USAGE_REPORT", "true")
	preset("K6_AUTO_EXTENSION_RESOLUTION", "false")
	k6cmd.Execute()
}

// preset sets an environment variable that is not set. Setenv fails only for malformed names.
func preset(name, value string) {
	if _, set := os.LookupEnv(name); !set {
		_ = os.Setenv(name, value)
	}
}
