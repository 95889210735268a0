package child

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/platctl/platctl/internal/api/media/picture"
)

// Serve is the child: it reads one request from in, does it and writes the answer to out. An error is the text of a crash; the
// caller exits with it.
func Serve(in io.Reader, out io.Writer) error {
	q, err := readRequest(in)
	if err != nil {
		return err
	}
	status, _ := os.Open("/proc/self/status") // read at the end, when nothing can be opened any more; other systems have none
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGXCPU)
	confined, err := confine(q.Limits)
	if err != nil {
		return err
	}
	done := make(chan outcome, 1)
	go func() {
		a, err := convert(q)
		done <- outcome{a, err}
	}()
	var o outcome
	select {
	case o = <-done:
	case <-over: // the caller exits, which ends the decoder
		o.answer = Answer{Code: picture.DecodeTimeout, Detail: "it took more than " + q.Limits.CPU.String() + " to work on"}
	}
	if o.err != nil {
		return o.err
	}
	o.answer.Version, o.answer.Confined, o.answer.PeakRSS = version, confined, peakRSS(status)
	return json.NewEncoder(out).Encode(o.answer)
}

type outcome struct {
	answer Answer
	err    error
}

func convert(q Request) (Answer, error) {
	input := os.NewFile(inputFD, "picture")
	data, err := io.ReadAll(io.NewSectionReader(input, 0, q.Limits.Input))
	if err != nil {
		return Answer{}, err
	}
	r, err := picture.Process(data, picture.Options{Declared: q.Declared, Sides: q.Sides})
	a := Answer{Format: r.Header.Format, Width: r.Header.Width, Height: r.Header.Height, Decode: r.Decode, Scale: r.Scale, Encode: r.Encode}
	var no *picture.Rejection
	if errors.As(err, &no) {
		a.Code, a.Detail = no.Code, no.Detail
		return a, nil
	}
	for i, s := range r.Sizes {
		if err == nil {
			_, err = os.NewFile(uintptr(outputFD+i), "result").Write(s.WebP)
			a.Made = append(a.Made, Made{Width: s.Width, Height: s.Height, Bytes: int64(len(s.WebP))})
		}
	}
	return a, err
}

// peakRSS returns the most memory that was resident, 0 when it isn't told. What wait(2) tells of a child counts its parent's
// memory from before the exec.
func peakRSS(status *os.File) int64 {
	if status == nil {
		return 0
	}
	text, err := io.ReadAll(io.NewSectionReader(status, 0, 16<<10))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, _ := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10
		}
	}
	return 0
}
