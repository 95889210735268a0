package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/role"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// listeners is every socket of the process. They are opened first: a port in use is found before anything is started.
type listeners struct {
	api     net.Listener
	admin   net.Listener // nil: off
	control net.Listener // nil: nobody tells a role
}

// listenAll opens them, all or none. Behind a unix socket the default admin address is left alone: releases share their
// machine.
func listenAll(c config.Server, adminIsDefault bool) (*listeners, error) {
	ls := &listeners{}
	if err := ls.open(c, adminIsDefault); err != nil {
		ls.close()
		return nil, err
	}
	return ls, nil
}

func (ls *listeners) open(c config.Server, adminIsDefault bool) (err error) {
	if c.Socket != "" {
		ls.api, err = unixsock.Listen(c.Socket, 0o660)
	} else {
		ls.api, err = listenTCP(c.Listen, "server.listen")
	}
	if err != nil {
		return err
	}
	if c.AdminListen != "" && (c.Socket == "" || !adminIsDefault) {
		if ls.admin, err = listenTCP(c.AdminListen, "server.admin_listen"); err != nil {
			return err
		}
	}
	if c.ControlSocket != "" {
		ls.control, err = unixsock.Listen(c.ControlSocket, 0o600)
	}
	return err
}

func listenTCP(addr, key string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.New(fault.Busy, "%s is in use by another process", addr).
			WithHint("stop that process, or set %s to another address; port 0 takes a free one", key)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "can't listen on %s", addr).WithHint("set %s", key)
	}
	return l, nil
}

func (ls *listeners) close() {
	for _, l := range []net.Listener{ls.api, ls.admin, ls.control} {
		if l != nil {
			_ = l.Close()
		}
	}
}

func (ls *listeners) url() string {
	if ls.api.Addr().Network() == "unix" {
		return "unix:" + ls.api.Addr().String()
	}
	return "http://" + ls.api.Addr().String()
}

func (ls *listeners) adminURL() string {
	if ls.admin == nil {
		return ""
	}
	return "http://" + ls.admin.Addr().String() + "/metrics"
}

// serveAll runs the API until ctx ends and everything has stopped. Metrics and the role signal answer until then.
func serveAll(ctx context.Context, srv *server.Server, holder *role.Holder, ls *listeners, log *slog.Logger, then []server.Step) error {
	side := func(l net.Listener, h http.Handler) {
		if l == nil {
			return
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
		go func() { _ = s.Serve(l) }() // ends when the listener closes
	}
	side(ls.admin, srv.Admin())
	side(ls.control, control(role.Handler(holder), srv.Admin()))
	return srv.Run(ctx, ls.api, then...)
}

// control is what the control socket answers: the role signal, and metrics, because the release in charge and the one in
// standby can't both have an admin port.
func control(role, admin http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", admin)
	mux.Handle("/", role)
	return mux
}
