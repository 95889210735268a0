package account

import (
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
)

// A name shows something, stays on its line and turns nothing around beside it.
func TestCleanName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "empty", " \t": "empty", "\u200b\u200d": "empty", "\u3164": "empty", "\u2800": "empty", "\u00ad": "empty",
		"a\nb": "control_character", "a\u2028b": "control_character", "admin\u202egnp": "control_character", "\u2067a": "control_character",
	} {
		if got, err := CleanName(name); err == nil || fault.From(err).Fields[0].Code != want {
			t.Errorf("%q: %q, %v, want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"Ana", "\u05d0\u05e0\u05d4", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f33e", "\u7530\u4e2d"} {
		if got, err := CleanName(name); err != nil || got != name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}
