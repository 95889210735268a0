package lint

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/lint.md")

const page, begin, end = "../../../docs/lint.md", "<!-- rules: begin -->\n", "<!-- rules: end -->\n"

// The page lists what the program lists.
func TestRulesAreDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", page, begin, end)
	}
	golden.Check(t, page, []byte(head+begin+ruleTables()+end+tail), *update)
}

func ruleTables() string {
	var b strings.Builder
	for _, group := range []struct{ letter, title string }{
		{"L", "Blocks traffic"}, {"C", "Breaks the release that runs, or loses data"}, {"T", "Needs a trace"}, {"A", "Allows"}, {"S", "Style, with `--style`"},
	} {
		fmt.Fprintf(&b, "### %s\n| rule | severity | lock | why | instead | PostgreSQL |\n|---|---|---|---|---|---|\n", group.title)
		for _, r := range Rules() {
			if strings.HasPrefix(r.ID, group.letter) {
				fmt.Fprintf(&b, "| %s %s | %s | %s | %s | %s | %s |\n", r.ID, r.Name, r.Severity, r.Lock, cell(r.Reason), cell(r.Safe), r.Versions)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
