package plan

import (
	"regexp"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// semantic is the expression that semver.org publishes. A version becomes a folder's name, so nothing else may pass.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)` +
	`(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)

// CheckVersion accepts a semantic version without "v".
func CheckVersion(v string) error {
	if semantic.MatchString(v) && len(v) <= 128 {
		return nil
	}
	err := fault.New(fault.Usage, "%.80q is not a semantic version", v).WithHint("write it like 1.2.3 or 1.3.0-rc.1")
	if rest := strings.TrimPrefix(v, "v"); rest != v && semantic.MatchString(rest) {
		return err.WithHint("write it without the v: %s", rest)
	}
	return err
}
