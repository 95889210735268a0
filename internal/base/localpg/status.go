package localpg

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
)

// State is what the server of a data directory does.
type State string

// The states.
const (
	Absent   State = "absent" // there is no data directory yet
	Stopped  State = "stopped"
	Starting State = "starting"
	Running  State = "running"
	Stopping State = "stopping"
	Sick     State = "unreachable" // the process lives and doesn't answer
)

// Status describes the server of a data directory.
type Status struct {
	State     State     `json:"state"`
	Dir       string    `json:"dir"`
	Owner     string    `json:"owner"` // the user it runs, or would run, as
	Version   string    `json:"version,omitempty"`
	PID       int       `json:"pid,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	Socket    string    `json:"socket,omitempty"` // folder of the socket
	URL       string    `json:"url,omitempty"`    // of the database postgres
	Log       string    `json:"log,omitempty"`
}

// Look returns the status of a data directory. It changes nothing and takes no lock.
func Look(ctx context.Context, o Options) (Status, error) {
	c, err := open(o)
	if err != nil {
		return Status{}, fault.Op("look at PostgreSQL", err)
	}
	st := Status{State: Absent, Dir: c.dir, Owner: c.acct.name}
	if c.major == 0 {
		return st, nil
	}
	st.State, st.Version, st.Log = Stopped, strconv.Itoa(c.major), LogFile(c.dir)
	pm, alive := c.running()
	if !alive {
		return st, nil
	}
	st.PID, st.StartedAt, st.Socket = pm.pid, pm.startedAt, pm.socket
	switch {
	case pm.status == "stopping":
		st.State = Stopping
	case !pm.ready():
		st.State = Starting
	default:
		st.State, st.URL = Running, socketURL(pm.socket, "postgres")
		if v, err := serverVersion(ctx, st.URL); err == nil {
			st.Version = v
		} else if err := c.ping(ctx, pm); err != nil {
			st.State = Sick
		}
	}
	return st, nil
}

func serverVersion(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var v string
	err = conn.QueryRow(ctx, "show server_version").Scan(&v)
	return v, err
}
