package media_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/localpg"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// An upload that was acknowledged becomes a picture wherever the database is killed; one that was not can be sent again when it is
// back. The server lives on. Nothing is left over.
func TestKilledDatabases(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fate{
		"between the bytes and the row":  {Call: "put", Area: store.Staging, Nth: 1, After: true},
		"before it is decoded":           {Call: "fetch", Area: store.Staging, Nth: 1, After: true},
		"between two sizes":              {Call: "put", Area: store.Public, Nth: 1, After: true},
		"before the picture is ready":    {Call: "put", Area: store.Public, Nth: 2, After: true},
		"before the upload is forgotten": {Call: "delete", Area: store.Staging, Nth: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loseDatabase(t, f)
		})
	}
}

func loseDatabase(t *testing.T, f fate) {
	t.Helper()
	db := newCluster(t)
	url, err := db.server.EnsureDatabase(t.Context(), "media")
	if err != nil {
		t.Fatal(err)
	}
	if err := apitest.Template(t).Build(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	killed := make(chan struct{})
	r := newRigOn(t, url, func(o *server.Options) {
		o.Media.Timing.Lease = lease
		o.Media.Store = &mortal{Store: o.Media.Store, fate: f, die: func() { db.kill(); close(killed) }}
	})
	_, ana := r.Signup("ana")
	data := mediatest.JPEG(mediatest.Photo(700, 500)) // two sizes
	id := announce(t, ana, client.MediaPurposePost, "image/jpeg", len(data))
	_, err = send(t.Context(), ana, id, data)
	acknowledged := err == nil
	<-killed
	db.start()
	if inTime := f.Call == "put" && f.Area == store.Staging; acknowledged == inTime {
		t.Errorf("acknowledged: %v (%v)", acknowledged, err)
	}
	eventually(t, "the server to find its database", func() bool {
		if !acknowledged {
			_, err := send(t.Context(), ana, id, data)
			acknowledged = err == nil
		}
		return acknowledged
	})
	desk := r.desk(media.Timing{Lease: lease})
	eventually(t, "the picture", func() bool {
		_, _ = desk.Rescue(t.Context()) // its connections, too, may be those that died
		m, err := ana.GetMedia(t.Context(), client.GetMediaParams{ID: id})
		if err == nil && m.Data.State == client.MediaStateFailed {
			t.Fatalf("%+v", m.Data)
		}
		return err == nil && m.Data.State == client.MediaStateReady && len(m.Data.Sizes) == 2
	})
	clean := r.desk(media.Timing{Unused: 1})
	eventually(t, "nothing to be left over", func() bool {
		_, err := clean.CleanUp(t.Context(), false)
		return err == nil && len(r.objects(store.Public))+len(r.objects(store.Staging)) == 0
	})
}

// cluster is a PostgreSQL of a test's own, which it may kill.
type cluster struct {
	t      *testing.T
	opts   localpg.Options
	server *localpg.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, opts: localpg.Options{Dir: filepath.Join(pgtest.Dir(t), "pg"), NoSync: true}}
	c.start()
	t.Cleanup(func() {
		if err := c.server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *cluster) start() {
	c.t.Helper()
	var err error
	if c.server, err = localpg.Start(c.t.Context(), c.opts); err != nil {
		c.t.Fatal(err)
	}
}

// kill ends the server with the processes of its sessions, which would otherwise commit what they are at.
func (c *cluster) kill() {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(c.server.PID) + "/task/*/children")
	if err != nil || len(lists) == 0 {
		c.t.Errorf("the sessions of %d: %v", c.server.PID, err)
	}
	pids := []string{strconv.Itoa(c.server.PID)}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			c.t.Error(err)
		}
		pids = append(pids, strings.Fields(string(text))...)
	}
	for _, field := range pids {
		pid, err := strconv.Atoi(field)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			c.t.Error(err)
		}
	}
}
