// Command platctl ships, watches, measures and rescues a PostgreSQL-backed API; it also contains that API.
package main

import (
	"os"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], term.System(), os.Environ()))
}
