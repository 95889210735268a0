package timeline

import (
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
)

// What can't be stored or shows nothing is refused, each with its own word.
func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\xff": "invalid_utf8", "a\x00": "control_character", "\x1b[31m": "control_character", " \n\t": "empty", "\u200b": "empty", "\u3164": "empty", strings.Repeat("é", 6): "too_long",
	} {
		if got, err := CleanText("reason", 5, false, in); err == nil || fault.From(err).Fields[0].Code != want {
			t.Errorf("%q: %q, %v, want %s", in, got, err, want)
		}
	}
	if got, err := CleanText("reason", 5, false, " e\u0301\nab "); err != nil || got != "é\nab" {
		t.Errorf("%q, %v", got, err)
	}
}
