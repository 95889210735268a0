package limits

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Mode is what happens to a request beyond its limit.
type Mode string

// The modes, from the weakest to the strongest.
const (
	Off     Mode = "off"     // nothing is measured
	Shadow  Mode = "shadow"  // it is counted and admitted
	Enforce Mode = "enforce" // it is refused
)

// Weaker returns the weaker of two modes.
func (m Mode) Weaker(than Mode) Mode {
	if m.Rank() < than.Rank() {
		return m
	}
	return than
}

// Rank is 0 for off, 1 for shadow and 2 for enforce; -1 for what is no mode.
func (m Mode) Rank() int { return slices.Index([]Mode{Off, Shadow, Enforce}, m) }

// Kind is what sort of client a request comes from.
type Kind int

// The kinds of clients.
const (
	Anonymous Kind = iota // measured by address
	User                  // signed in; measured by account
	Moderator             // signed in, and looks after the others
	kinds
)

// String returns the kind as files and metrics name it.
func (k Kind) String() string { return [kinds]string{"anonymous", "user", "moderator"}[k] }

// Exempt is the class of operations that are never limited.
const Exempt = "none"

// Policy is every limit that is in force. A nil Limit limits nobody.
type Policy struct {
	Mode       Mode                 `yaml:"mode" json:"mode"`
	Percent    int                  `yaml:"percent" json:"percent"`         // of clients that enforce holds for; the others are in shadow
	Reads      string               `yaml:"reads,omitempty" json:"reads"`   // class of operations that are not named and only read
	Writes     string               `yaml:"writes,omitempty" json:"writes"` // class of the others that are not named
	Classes    map[string]Class     `yaml:"classes,omitempty" json:"classes"`
	Operations map[string]Operation `yaml:"operations,omitempty" json:"operations"`
}

// Class is what clients may do in the operations that name it, all of them together.
type Class struct {
	Mode      Mode   `yaml:"mode,omitempty" json:"mode,omitempty"` // empty: the policy's; the weaker of the two holds
	Anonymous *Limit `yaml:"anonymous,omitempty,flow" json:"anonymous,omitempty"`
	User      *Limit `yaml:"user,omitempty,flow" json:"user,omitempty"`
	Moderator *Limit `yaml:"moderator,omitempty,flow" json:"moderator,omitempty"` // nil: as User
	Account   *Limit `yaml:"account,omitempty,flow" json:"account,omitempty"`     // attempts at the account that a login names
	Global    *Limit `yaml:"global,omitempty,flow" json:"global,omitempty"`       // all clients together
}

// Operation says to which class an operation belongs and how many units one request costs.
type Operation struct {
	Class string `yaml:"class" json:"class"`
	Cost  int64  `yaml:"cost,omitempty" json:"cost,omitempty"` // 0 is 1
}

// limits returns the limits of a class by name.
func (c Class) limits() map[string]*Limit {
	all := c.metered()
	if c.Account != nil {
		all["account"] = c.Account
	}
	return all
}

// metered returns those that each request of the class draws on.
func (c Class) metered() map[string]*Limit {
	all := map[string]*Limit{"anonymous": c.Anonymous, "user": c.User, "moderator": c.Moderator, "global": c.Global}
	maps.DeleteFunc(all, func(_ string, l *Limit) bool { return l == nil })
	return all
}

// units is the cost of one request.
func (o Operation) units() int64 { return max(o.Cost, 1) }

const (
	maxClasses    = 64
	maxOperations = 1000
	maxCost       = 1000
)

var (
	className     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	operationName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
)

// Validate returns one error that names everything that can't be enforced, or nil.
func (p Policy) Validate() error { return p.validate(p.has) }

// ValidatePart is Validate for a policy that may leave out what another one has (see Over).
func (p Policy) ValidatePart() error {
	return p.validate(func(string) bool { return true })
}

func (p Policy) validate(has func(class string) bool) error {
	var bad []fault.Field
	add := func(field, format string, args ...any) {
		bad = append(bad, fault.Field{Field: field, Code: "invalid", Message: fmt.Sprintf(format, args...)})
	}
	if p.Mode.Rank() < 0 {
		add("mode", "%.40q is not off, shadow or enforce", p.Mode)
	}
	if p.Percent < 0 || p.Percent > 100 {
		add("percent", "%d is not between 0 and 100", p.Percent)
	}
	if len(p.Classes) > maxClasses || len(p.Operations) > maxOperations {
		add("classes", "%d classes and %d operations are more than %d and %d", len(p.Classes), len(p.Operations), maxClasses, maxOperations)
	}
	for name, class := range map[string]string{"reads": p.Reads, "writes": p.Writes} {
		if !has(class) {
			add(name, "there is no class %.40q", class)
		}
	}
	for name, c := range p.Classes {
		c.check(name, add)
	}
	for name, o := range p.Operations {
		p.checkOperation(name, o, has, add)
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Field, b.Field) })
	lines := make([]string, min(len(bad), 10))
	for i := range lines {
		lines[i] = bad[i].Field + ": " + bad[i].Message
	}
	return fault.New(fault.Invalid, "the policy can't be enforced: %s", strings.Join(lines, "; ")).WithFields(bad...)
}

func (p Policy) has(class string) bool {
	_, ok := p.Classes[class]
	return ok || class == Exempt
}

func (c Class) check(name string, add func(field, format string, args ...any)) {
	at := "classes." + name
	if !className.MatchString(name) || name == Exempt {
		add("classes", "%.40q is no name for a class: lower-case letters, digits, - and _, not %s", name, Exempt)
	}
	if c.Mode != "" && c.Mode.Rank() < 0 {
		add(at+".mode", "%.40q is not off, shadow or enforce", c.Mode)
	}
	for kind, l := range c.limits() {
		if err := l.check(); err != nil {
			add(at+"."+kind, "%s", fault.From(err).Message)
		}
	}
}

func (p Policy) checkOperation(name string, o Operation, has func(class string) bool, add func(field, format string, args ...any)) {
	at := "operations." + name
	if !operationName.MatchString(name) {
		add("operations", "%.70q is no name of an operation", name)
	}
	if o.Cost < 0 || o.Cost > maxCost {
		add(at+".cost", "%d is not between 1 and %d", o.Cost, maxCost)
	}
	if !has(o.Class) || o.Class == "" {
		add(at+".class", "there is no class %.40q", o.Class)
	}
	for kind, l := range p.Classes[o.Class].metered() {
		if o.units() > l.Burst {
			add(at+".cost", "%d is more than the burst of %d that %s has: it would never be admitted", o.units(), l.Burst, kind)
		}
	}
}

// Over returns p with what only base has: a policy may say no more than what is different, and one that is older than the
// release that enforces it says nothing about what is new.
func (p Policy) Over(base Policy) Policy {
	p.Reads, p.Writes = cmp.Or(p.Reads, base.Reads), cmp.Or(p.Writes, base.Writes)
	classes := make(map[string]Class, len(base.Classes)+len(p.Classes))
	maps.Copy(classes, base.Classes)
	maps.Copy(classes, p.Classes)
	ops := make(map[string]Operation, len(base.Operations)+len(p.Operations))
	for name, o := range base.Operations {
		if o.units() > classes[o.Class].smallestBurst() {
			o.Cost = 1 // the class was made smaller than the cost that base had in mind
		}
		ops[name] = o
	}
	maps.Copy(ops, p.Operations)
	p.Classes, p.Operations = classes, ops
	return p
}

func (c Class) smallestBurst() int64 {
	least := int64(maxUnits)
	for _, l := range c.metered() {
		least = min(least, l.Burst)
	}
	return least
}

// Change is one difference between two policies.
type Change struct {
	Path string `json:"path"` // classes.read.user
	From string `json:"from"` // empty: it was not there
	To   string `json:"to"`   // empty: it is no longer there
}

// String returns the change as one line.
func (c Change) String() string {
	show := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return fmt.Sprintf("%s: %s → %s", c.Path, show(c.From), show(c.To))
}

// Diff returns what is different, ordered by path; nothing when the two are the same.
func Diff(from, to Policy) []Change {
	a, b := from.flat(), to.flat()
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	out := []Change{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if a[path] != b[path] {
			out = append(out, Change{path, a[path], b[path]})
		}
	}
	return out
}

// flat is every value by its path.
func (p Policy) flat() map[string]string {
	out := map[string]string{"mode": string(p.Mode), "percent": fmt.Sprint(p.Percent), "reads": p.Reads, "writes": p.Writes}
	for name, c := range p.Classes {
		at := "classes." + name
		out[at] = "class"
		if c.Mode != "" {
			out[at+".mode"] = string(c.Mode)
		}
		for kind, l := range c.limits() {
			out[at+"."+kind] = l.String()
		}
	}
	for name, o := range p.Operations {
		out["operations."+name] = o.String()
	}
	return out
}

// String returns the operation as people read it.
func (o Operation) String() string {
	if o.units() == 1 {
		return o.Class
	}
	return fmt.Sprintf("%s, cost %d", o.Class, o.Cost)
}
