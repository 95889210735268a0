package lint

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Summary says in one line what was found.
func (rep *Report) Summary() string {
	return fmt.Sprintf("%s, %s: %d ok; %s, %s, %s, %d allowed; %s a trace", plural(rep.Files, "migration"), plural(rep.Statements, "statement"),
		rep.OK, plural(rep.Errors, "error"), plural(rep.Warnings, "warning"), plural(rep.Notes, "note"), rep.Allowed, needs(rep.Traces))
}

// Markdown is the report for a pull request: the findings of some severities that nobody allowed, and what to do.
func (rep *Report) Markdown(of ...Severity) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Migrations\n%s\n", rep.Summary())
	found := rep.Open(of...)
	if len(found) == 0 {
		return b.String()
	}
	b.WriteString("\n| place | way | rule | severity | message |\n|---|---|---|---|---|\n")
	for _, f := range found {
		fmt.Fprintf(&b, "| %s:%d | %s | %s %s | %s | %s |\n", cell(f.File), f.Line, f.Direction, f.Rule, f.Name, f.Severity, cell(f.Message))
	}
	b.WriteString("\n| rule | why | instead |\n|---|---|---|\n")
	for _, r := range Broken(found) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.ID, cell(r.Reason), cell(r.Safe))
	}
	return b.String()
}

// cell keeps a text inside a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", "`", "\\`").Replace(s)
}

// SARIF is the report in the format 2.1.0 of code scanning; tool is the version of platctl. Files are named as they are in their folder.
func (rep *Report) SARIF(tool string) string {
	type text struct {
		Text string `json:"text"`
	}
	type object = map[string]any
	rules := []object{}
	for _, r := range Broken(rep.Findings) {
		rules = append(rules, object{"id": r.ID, "name": r.Name, "shortDescription": text{r.Reason}, "help": text{r.Safe}})
	}
	results := []object{}
	for _, f := range rep.Findings {
		res := object{"ruleId": f.Rule, "level": level(f.Severity), "message": text{f.Message},
			"locations": []object{{"physicalLocation": object{"artifactLocation": object{"uri": f.File}, "region": object{"startLine": f.Line}}}}}
		if f.Allowed != "" {
			res["suppressions"] = []object{{"kind": "inSource", "justification": f.Allowed}}
		}
		results = append(results, res)
	}
	out, err := json.MarshalIndent(object{"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"runs": []object{{"tool": object{"driver": object{"name": "platctl migrate lint", "version": tool, "rules": rules}}, "results": results}}}, "", "  ")
	if err != nil {
		return err.Error() // texts and numbers always encode
	}
	return string(out) + "\n"
}

func level(s Severity) string {
	switch s {
	case Error:
		return "error"
	case Note, Style:
		return "note"
	}
	return "warning"
}
