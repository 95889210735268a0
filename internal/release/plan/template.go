package plan

import (
	"regexp"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Values is what a template may use.
type Values struct {
	Version     string // semantic version without "v"
	Commit      string // full git revision
	Date        string // commit time, RFC 3339 UTC: the time of the build would make every build a different one
	OS          string
	Arch        string
	ProjectName string
}

// action matches one template action. There are no functions, pipes or conditions.
var action = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}`)

// Expand fills in a template. A field that is not in Values is an error.
func (v Values) Expand(template string) (string, error) {
	known := map[string]string{
		".Version": v.Version, ".Commit": v.Commit, ".Date": v.Date, ".CommitDate": v.Date,
		".Os": v.OS, ".Arch": v.Arch, ".ProjectName": v.ProjectName,
	}
	var unknown string
	out := action.ReplaceAllStringFunc(template, func(m string) string {
		name := action.FindStringSubmatch(m)[1]
		val, ok := known[name]
		if !ok && unknown == "" {
			unknown = m
		}
		return val
	})
	if unknown == "" && strings.Contains(action.ReplaceAllString(template, ""), "{{") {
		unknown = template
	}
	if unknown != "" {
		return "", fault.New(fault.Config, "template %q: platctl does not know this field", unknown).WithCode("unknown_template").
			WithHint("it knows .Version, .Commit, .Date, .CommitDate, .Os, .Arch and .ProjectName")
	}
	return out, nil
}

// ExpandAll fills in a list of templates.
func (v Values) ExpandAll(templates []string) ([]string, error) {
	out := make([]string, len(templates))
	for i, t := range templates {
		var err error
		if out[i], err = v.Expand(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
