package migrate

import (
	"strings"
	"time"
)

// Allow is a line `-- platctl: allow RULE reason`: a rule of `platctl migrate lint` that doesn't count here, and why. Above the
// first section it is for the whole file, in a section for the statement that follows. Nothing but lint heeds it.
type Allow struct {
	Rule, Reason string
	Line         int
	Down         bool // in the way down; false where Statement is -1
	Statement    int  // its index in the script; -1: the whole file
}

func (p *parser) allow(value string) error {
	rule, reason, _ := strings.Cut(value, " ")
	if reason = strings.TrimSpace(reason); rule == "" || reason == "" {
		return p.fail("allow needs a rule and a reason: -- platctl: allow L01 the table has ten rows")
	}
	a := Allow{Rule: rule, Reason: reason, Line: p.line, Statement: -1}
	if p.section != nil {
		a.Down, a.Statement = p.section == &p.m.Down, len(p.split.out)
	}
	p.m.Allows = append(p.m.Allows, a)
	return nil
}

// allowsNothing refuses an allow behind the last statement of the section that ends.
func (p *parser) allowsNothing() error {
	down := p.section == &p.m.Down
	for _, a := range p.m.Allows {
		if a.Down == down && a.Statement >= len(p.split.out) {
			return p.fail("no statement follows the allow on line %d", a.Line)
		}
	}
	return nil
}

// Timeouts are what the file's directives say; nil where it says nothing.
func (m *Migration) Timeouts() (lock, statement *time.Duration) {
	return m.lockTimeout, m.statementTimeout
}
