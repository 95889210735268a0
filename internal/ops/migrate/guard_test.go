package migrate

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// The guard is asked with the lock held, before anything is applied, and only for a file of phase contract. What it lets through is
// in the log.
func TestGuard(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	files := fstest.MapFS{
		"1_a.sql": {Data: []byte("-- platctl: phase expand\n" + up + "create table a (id int);")},
		"2_b.sql": {Data: []byte("-- platctl: phase contract\n" + up + "drop table a;")},
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	asked, allow := 0, ""
	guarded := func(_ context.Context, todo []*Migration) (string, error) {
		asked++
		var free bool
		if err := conn.QueryRow(t.Context(), "select pg_try_advisory_lock($1)", lockKey).Scan(&free); err != nil || free {
			t.Errorf("the lock is free: %t, %v", free, err)
		}
		if allow == "" {
			return "", fault.New(fault.No, "it would break")
		}
		return allow, nil
	}
	m, err := New(files, Options{Guard: guarded})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context(), url, 1); err != nil || asked != 0 {
		t.Fatalf("for an expand migration it is asked %d times: %v", asked, err)
	}
	if res, err := m.Up(t.Context(), url, 0); !errors.Is(err, fault.No) || res.To != 1 || asked != 1 {
		t.Fatalf("%+v, %v, asked %d times", res, err, asked)
	}
	if _, err := m.Quiet().Up(t.Context(), pgtest.Empty(t), 0); err != nil || asked != 1 {
		t.Errorf("a quiet set asks: %d, %v", asked, err)
	}
	allow = "because"
	if res, err := m.Up(t.Context(), url, 0); err != nil || res.To != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	var detail string
	if err := conn.QueryRow(t.Context(), "select detail from platctl.migration_events where state = 'allowed' and version = 2").Scan(&detail); err != nil || detail != "because" {
		t.Errorf("the log has %q, %v", detail, err)
	}
}
