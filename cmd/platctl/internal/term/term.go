// Package term is the terminal as commands see it: three streams and the facts about them.
//
// Invariants: stdout carries the result and stderr the conversation; prompts happen only on a terminal. Tests make
// their own Streams with buffers, so nothing here reads global state but System.
package term

import (
	"bufio"
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

// Confirm asks a yes-or-no question on the terminal. Off a terminal it refuses, and the message says how to go on.
func (s *Streams) Confirm(question string) error {
	if !s.InTTY || !s.ErrTTY {
		return fault.New(fault.Refused, "this needs a confirmation and there is no terminal to ask on").
			WithHint("add --yes to confirm, or --dry-run to only see the plan")
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil && line == "" {
		return fault.New(fault.Refused, "no answer")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return fault.New(fault.Refused, "not confirmed; nothing was done")
}
