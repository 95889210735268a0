package output_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"testing"

	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type report struct {
	Pages int      `json:"pages"`
	Notes []string `json:"notes"`
}

func noText(io.Writer) error { return errors.New("text was asked for") }

// The envelope is what every script parses: success, failure, and a check that ran and says no.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	answerNo := fault.New(fault.No, "2 pages are <missing>").WithHint("print them")
	for name, run := range map[string]func(p *output.Printer) error{
		"success": func(p *output.Printer) error { return p.Result(report{Pages: 3, Notes: []string{"a & b"}}, noText) },
		"failure": func(p *output.Printer) error {
			p.Failure(fault.Op("read book", fault.Wrap(io.ErrUnexpectedEOF, fault.Invalid, "page 2 is torn").WithCode("torn_page").
				WithHint("scan it again").WithFields(fault.Field{Field: "page", Code: "torn", Message: "ends early"})), io.Discard)
			return nil
		},
		"answer-no": func(p *output.Printer) error {
			err := p.Answer(report{Pages: 1, Notes: []string{}}, answerNo, noText)
			var printed *output.Printed
			if !errors.As(err, &printed) || !errors.Is(err, fault.No) {
				t.Errorf("Answer returned %v; it must be printed and still decide the exit code", err)
			}
			return nil
		},
		"answer-yes": func(p *output.Printer) error { return p.Answer(report{Pages: 3, Notes: []string{}}, nil, noText) },
	} {
		for _, tty := range []bool{false, true} {
			var out bytes.Buffer
			if err := run(&output.Printer{Out: &out, JSON: true, TTY: tty, Schema: "platctl.book.check/v1"}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if tty {
				name += "-tty"
			}
			golden.Check(t, "testdata/"+name+".golden.json", out.Bytes(), *update)
		}
	}
}

func TestTextFailure(t *testing.T) {
	t.Parallel()
	var out, conversation bytes.Buffer
	p := &output.Printer{Out: &out}
	p.Failure(fault.New(fault.Busy, "host is locked by ann").WithHint("wait, or `platctl status`"), &conversation)
	if got := conversation.String(); got != "platctl: host is locked by ann\n  next: wait, or `platctl status`\n" || out.Len() > 0 {
		t.Errorf("stderr %q, stdout %q", got, out.String())
	}
	conversation.Reset()
	p.Failure(fault.New(fault.Usage, "b: wrong").WithFields(fault.Field{Field: "a", Message: "too long"}, fault.Field{Field: "b", Message: "wrong"}), &conversation)
	if got := conversation.String(); got != "platctl: b: wrong\n  a: too long\n" {
		t.Errorf("fields: %q", got)
	}
}

func TestAnswerInText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	no := fault.New(fault.No, "it is not")
	err := (&output.Printer{Out: &out}).Answer(report{}, no, func(w io.Writer) error {
		_, err := io.WriteString(w, "the report\n")
		return err
	})
	if !errors.Is(err, fault.No) || out.String() != "the report\n" {
		t.Errorf("got %v and %q; a no still prints its report", err, out.String())
	}
	broken := errors.New("pipe closed")
	if err := (&output.Printer{Out: &out}).Answer(report{}, no, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a report that can't be written answers %v", err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	for tty, want := range map[bool]string{false: "A\tLONG\n1\t2\n", true: "A  LONG\n1  2\n"} {
		var out bytes.Buffer
		if err := (&output.Printer{TTY: tty}).Table(&out, []string{"A", "LONG"}, [][]string{{"1", "2"}}); err != nil || out.String() != want {
			t.Errorf("tty %t: %q, %v", tty, out.String(), err)
		}
	}
}
