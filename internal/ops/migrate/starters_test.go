package migrate

import (
	"testing"

	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// Ten runners start at once, as ten pods of a release do, with a CREATE INDEX CONCURRENTLY among the migrations: a runner that waited
// inside the server would hold it up until one of them is the victim of a deadlock. Each version is applied once.
func TestStarters(t *testing.T) {
	t.Parallel()
	files := []string{
		"1_a.sql", up + "create table a (id int);\ninsert into a values (1);\n",
		"2_b.sql", noTx + "create index concurrently a_id on a (id);\ninsert into a values (2);\n",
		"3_c.sql", up + "insert into a values (3);\n",
	}
	for range *starterRuns {
		url := pgtest.Empty(t)
		results := make(chan error, 10)
		applied := make(chan int, 10)
		for range cap(results) {
			m := migrator(t, Options{}, files...)
			go func() {
				res, err := m.Up(t.Context(), url, 0)
				applied <- len(res.Applied)
				results <- err
			}()
		}
		n := 0
		for range cap(results) {
			if err := <-results; err != nil {
				t.Fatal(err)
			}
			n += <-applied
		}
		conn := connect(t, url)
		events := str(t, conn, "select string_agg(version || ' ' || state, ', ' order by id) from platctl.migration_events")
		rows := str(t, conn, "select string_agg(id::text, ' ' order by id) from a")
		if n != 3 || rows != "1 2 3" || events != "1 applied, 2 running, 2 applied, 3 applied" {
			t.Fatalf("%d applied; rows %s; events %s", n, rows, events)
		}
		_ = conn.Close(t.Context())
	}
}
