package migrate

import (
	"fmt"
	"io"

	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/ops/lint"
)

// lintTable shows the findings, why each rule is one and what to do instead, and the sum.
func lintTable(p *output.Printer, w io.Writer, rep *lint.Report, shown []lint.Severity) error {
	found := rep.Open(shown...)
	if len(found) > 0 {
		rows := make([][]string, len(found))
		for i, f := range found {
			rows[i] = []string{fmt.Sprintf("%s:%d", f.File, f.Line), f.Direction, f.Rule + " " + f.Name, string(f.Severity), f.Message}
		}
		if err := p.Table(w, []string{"PLACE", "WAY", "RULE", "SEVERITY", "MESSAGE"}, rows); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := adviceTable(p, w, lint.Broken(found)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, rep.Summary())
	return err
}

func adviceTable(p *output.Printer, w io.Writer, rules []lint.Rule) error {
	rows := make([][]string, len(rules))
	for i, r := range rules {
		rows[i] = []string{r.ID, r.Reason, r.Safe}
	}
	return p.Table(w, []string{"RULE", "WHY", "INSTEAD"}, rows)
}

func ruleTable(p *output.Printer, w io.Writer, rules []lint.Rule) error {
	rows := make([][]string, len(rules))
	for i, r := range rules {
		rows[i] = []string{r.ID, r.Name, string(r.Severity), dash(r.Lock), r.Reason, r.Safe, dash(r.Versions)}
	}
	return p.Table(w, []string{"RULE", "NAME", "SEVERITY", "LOCK", "WHY", "INSTEAD", "POSTGRESQL"}, rows)
}
