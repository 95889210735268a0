// Package localpg runs the private PostgreSQL of one user on one machine: it finds the server's programs, makes a data
// directory, starts the server and stops it.
//
// Invariants:
//   - A data directory is made beside its place and renamed, so it is either absent or whole.
//   - The server listens on a unix socket in a folder of mode 0700 and on nothing else. Whoever passes that folder (its
//     owner and root) is trusted; nobody else can connect.
//   - The server is detached: it survives the process that started it. Start attaches to one that runs.
//   - Start and Stop of one directory exclude each other by flock, which dies with its holder.
//   - A directory that is not a data directory, or one of another major version, is never written to.
//   - root never runs the server: the directory's owner does, or for a new one the user postgres, else nobody.
package localpg

import (
	"context"
	"net/url"
	"path/filepath"
	"time"
)

// Superuser is the role that initdb makes and that every URL names.
const Superuser = "postgres"

// MinMajor is the oldest PostgreSQL that platctl supports.
const MinMajor = 15

const (
	port       = "5432" // only part of the socket's name; nothing listens on the network
	socketName = ".s.PGSQL." + port
	logName    = "server.log"
	logLimit   = 8 << 20 // bytes; a larger log is renamed at the next start

	// The kernel takes 107 bytes of path on Linux and 103 on macOS.
	maxSocketPath = 103
)

// Options says which server. Only Dir is needed.
type Options struct {
	Dir      string            // the data directory
	BinDir   string            // folder with initdb and postgres; empty: PATH, then the distribution's folders
	Settings map[string]string // server parameters of this start, besides the ones that platctl decides
	NoSync   bool              // initdb doesn't wait for the disk: for data that may be lost
	Timeout  time.Duration     // how long Start and Stop may take where ctx has no deadline; 0: one minute
}

// Server is a running server.
type Server struct {
	Dir       string
	Socket    string // folder of the socket
	PID       int
	StartedAt time.Time
	Attached  bool // it ran before this Start

	opts Options
}

// URL returns the address of a database.
func (s *Server) URL(database string) string { return socketURL(s.Socket, database) }

// Stop stops the server as Stop does.
func (s *Server) Stop(ctx context.Context) error {
	_, err := Stop(ctx, s.opts)
	return err
}

func socketURL(socket, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {socket}}.Encode()
	return u.String()
}

// LogFile returns the path of the server's log.
func LogFile(dir string) string { return filepath.Join(dir, logName) }
