package serve

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/platctl/platctl/internal/api/server"
)

// lastWords makes a second signal tell which requests it cuts off before it ends the process at once, as if nobody listened.
// The first signal is the caller's business. The returned function takes it back.
func lastWords(srv *server.Server) (forget func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	forgotten := make(chan struct{})
	go func() {
		var last os.Signal
		for range 2 {
			select {
			case last = <-signals:
			case <-forgotten:
				return
			}
		}
		srv.CutOff()
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		if s, ok := last.(syscall.Signal); ok {
			_ = syscall.Kill(os.Getpid(), s)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(forgotten)
	}
}
