package sbom

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/anchore/syft/syft/license"
	"github.com/google/licensecheck"
	"golang.org/x/mod/module"
)

// licenceFile matches the names under which Go modules ship their licence, at their root. Deeper files belong to test
// data and vendored code as often as to the module.
var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-._].*)?$`)

// coverage is the share of a text, in percent, that has to be known licence text. syft uses the same: below it a file
// mentions a licence more than it grants one.
const coverage = 75

// licencesIn returns the licences whose texts stand at the root of a module in the cache, sorted; none when the module is
// not there.
func licencesIn(modCache, path, version string) []string {
	dir, ok := cached(modCache, path, version)
	if !ok {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		out = append(out, recognise(text)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cached returns the folder of a module in the cache, where capital letters are written as !lower.
func cached(modCache, path, version string) (string, bool) {
	p, err := module.EscapePath(path)
	if err != nil || modCache == "" {
		return "", false
	}
	v, err := module.EscapeVersion(version)
	if err != nil || version == "" {
		return "", false
	}
	return filepath.Join(modCache, filepath.FromSlash(p)+"@"+v), true
}

func recognise(text []byte) []string {
	found := licensecheck.Scan(text)
	if found.Percent < coverage {
		return nil
	}
	var out []string
	for _, m := range found.Match {
		id := m.ID
		if _, err := license.ParseExpression(id); err != nil {
			id = "LicenseRef-" + id
		}
		out = append(out, id)
	}
	return out
}
