// Package term is the terminal as commands see it: three streams and the facts about them.
//
// Invariants: stdout carries the result and stderr the conversation; prompts happen only on a terminal. Tests make
// their own Streams with buffers, so nothing here reads global state but System.
package term

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/platctl/platctl/internal/base/fault"
)

// Streams is where a command reads and writes.
type Streams struct {
	In     io.Reader
	Out    io.Writer // the result
	Err    io.Writer // the conversation
	InTTY  bool
	OutTTY bool
	ErrTTY bool
}

// System returns the process's own streams.
func System() *Streams {
	s := &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	s.InTTY = term.IsTerminal(int(os.Stdin.Fd()))
	s.OutTTY = term.IsTerminal(int(os.Stdout.Fd()))
	s.ErrTTY = term.IsTerminal(int(os.Stderr.Fd()))
	return s
}

// Say writes one line to the conversation.
func (s *Streams) Say(format string, args ...any) {
	fmt.Fprintf(s.Err, format+"\n", args...)
}

// Confirm asks a yes-or-no question on the terminal. Off a terminal it refuses, and the message says how to go on. It
// returns when ctx ends, although a read of a terminal can't be interrupted: the reader is left behind, and the command ends.
func (s *Streams) Confirm(ctx context.Context, question string) error {
	if !s.InTTY || !s.ErrTTY {
		return fault.New(fault.Refused, "this needs a confirmation and there is no terminal to ask on").
			WithHint("add --yes to confirm, or --dry-run to only see the plan")
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(s.In).ReadString('\n') // an error leaves an empty answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
		return fault.New(fault.Canceled, "interrupted; nothing was done")
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return fault.New(fault.Refused, "not confirmed; nothing was done")
	}
}
