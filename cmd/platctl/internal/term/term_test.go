package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
)

func TestConfirm(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]error{
		"y\n": nil, "Yes\n": nil, " y \r\n": nil, "n\n": fault.Refused, "\n": fault.Refused, "": fault.Refused, "yep\n": fault.Refused,
	} {
		s := &Streams{In: strings.NewReader(typed), Err: io.Discard, InTTY: true, ErrTTY: true}
		if err := s.Confirm(t.Context(), "sure?"); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", typed, err, want)
		}
	}
	s := &Streams{In: strings.NewReader("y\n"), Err: io.Discard, ErrTTY: true}
	if err := s.Confirm(t.Context(), "sure?"); !errors.Is(err, fault.Refused) || !strings.Contains(fault.From(err).Hint, "--yes") {
		t.Errorf("off a terminal: %v", err)
	}
}

// Ctrl-C at the question ends the command, although nobody types a line any more.
func TestConfirmEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said bytes.Buffer
	s := &Streams{In: silent, Err: &said, InTTY: true, ErrTTY: true}
	if err := s.Confirm(ctx, "sure?"); !errors.Is(err, fault.Canceled) || said.String() != "sure? [y/N] \n" {
		t.Errorf("%v, said %q", err, said.String())
	}
}
