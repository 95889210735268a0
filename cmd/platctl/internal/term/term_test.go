package term_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/fault"
)

// Only a clear yes on a terminal confirms; everything else is Refused, and off a terminal nothing is asked.
func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		"y\n": true, "YES\n": true, " yes \r\n": true, "y": true, "n\n": false, "\n": false, "": false, "yess\n": false, "yo\n": false,
	} {
		for _, tty := range []struct{ in, err bool }{{true, true}, {false, true}, {true, false}} {
			var conversation bytes.Buffer
			s := &term.Streams{In: strings.NewReader(answer), Err: &conversation, InTTY: tty.in, ErrTTY: tty.err}
			err := s.Confirm("Roll back?")
			asked := tty.in && tty.err
			if (err == nil) != (want && asked) || err != nil && !errors.Is(err, fault.Refused) {
				t.Errorf("%q on %+v: %v", answer, tty, err)
			}
			if (conversation.String() == "Roll back? [y/N] ") != asked {
				t.Errorf("%q on %+v: the conversation is %q", answer, tty, &conversation)
			}
		}
	}
}
