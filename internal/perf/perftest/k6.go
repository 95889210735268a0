package perftest

import (
	"testing"

	"github.com/platctl/platctl/internal/base/moduletest"
)

// K6 returns the path of our k6: given, when it is not empty (tests pass the variable PLATCTL_TEST_K6), else built from xk6-ext.
func K6(t testing.TB, given string) string {
	t.Helper()
	return moduletest.Build(t, given, "k6", "xk6-ext", "./cmd/k6")
}
