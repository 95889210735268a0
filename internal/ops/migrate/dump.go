package migrate

import (
	"bytes"
	"context"
	"os/exec"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Dumper runs pg_dump, at least as new as the server.
type Dumper struct {
	Program string   // the path of pg_dump
	URL     string   // without a password: others see a command line
	Env     []string // with the password
}

// Dump returns the schema as SQL: no rows, no owners, and neither the ledger nor what differs from one dump to the next. Two dumps of
// the same schema by the same pg_dump are the same bytes.
func (d Dumper) Dump(ctx context.Context) (string, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, d.Program, "--schema-only", "--no-owner", "--exclude-schema=platctl", "--dbname="+d.URL)
	cmd.Env, cmd.Stdout, cmd.Stderr = d.Env, &out, &said
	if err := cmd.Run(); err != nil {
		why := strings.TrimSpace(said.String())
		f := fault.Wrap(err, fault.Unavailable, "pg_dump: %s", why)
		if strings.Contains(why, "version mismatch") {
			return "", f.WithHint("set localpg.bin_dir to the programs of PostgreSQL as new as the server")
		}
		return "", f.WithHint("`platctl db psql` shows whether the database answers")
	}
	return normalDump(out.String()), nil
}

// normalDump takes out the versions of server and program, the random token that \restrict has, and runs of empty lines.
func normalDump(text string) string {
	var b strings.Builder
	empty := true
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, `\restrict `), strings.HasPrefix(line, `\unrestrict `),
			strings.HasPrefix(line, "-- Dumped from"), strings.HasPrefix(line, "-- Dumped by"):
			continue
		case line == "" && empty:
			continue
		}
		empty = line == ""
		b.WriteString(line + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// DiffLines returns the lines in which two texts differ, with - before those that only a has and + before those of b, where they
// stand. Of lines that moved it may say more than the least.
func DiffLines(a, b string) []string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(x) > 0 && len(y) > 0 && x[0] == y[0]:
			x, y = x[1:], y[1:]
		default:
			i, j := meet(x, y)
			for _, l := range x[:i] {
				out = append(out, "-"+l)
			}
			for _, l := range y[:j] {
				out = append(out, "+"+l)
			}
			x, y = x[i:], y[j:]
		}
	}
	return out
}

// meet returns how far two texts are from the next line, not an empty one, that both have.
func meet(x, y []string) (i, j int) {
	at := map[string]int{}
	for k := len(y) - 1; k >= 0; k-- {
		at[y[k]] = k
	}
	i, j = len(x), len(y)
	for k, l := range x {
		if n, ok := at[l]; ok && strings.TrimSpace(l) != "" && k+n < i+j {
			i, j = k, n
		}
	}
	return i, j
}
