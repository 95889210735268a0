package argon

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// niceness leaves a core to whoever wants it, and a tenth of one to logins when everybody does.
const niceness = 10

// Serve is the child: it computes keys until in ends, which it does when the server has ended. Signals that stop the server
// are none of its business: people log in during a drain.
func Serve(in io.Reader, out io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// The group, because of a process only this one thread would be meant. Where it is forbidden, it works on as it is.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, niceness)
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r request
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := enc.Encode(answer{Here(r.Password, r.Salt, r.Params)}); err != nil {
			return err
		}
		runtime.GC() // nothing else lives here, so this takes no time, and the next key takes the memory of this one
	}
}
