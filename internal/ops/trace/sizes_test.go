package trace

import (
	"errors"
	"strings"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

// A second database tells sizes and rates; the estimate says from what it comes, and nothing is written there.
func TestSizes(t *testing.T) {
	t.Parallel()
	production := server(t)
	conn := connect(t, production)
	exec(t, conn, "create table t (id int primary key, a int, b text); create table quiet (id int)")
	exec(t, conn, "insert into t select g, g, repeat('x', 100) from generate_series(1, 200000) g")
	exec(t, conn, "analyze t")
	exec(t, conn, sqlFlush)
	url := server(t)
	rep := mustTrace(t, Options{Server: url, Rows: 1000, Sizes: production, Files: folder(
		"1_t.sql", up+"create table t (id int primary key, a int, b text);\ncreate table quiet (id int);\ncreate table young (id int);",
		"2_it.sql", up+"alter table t alter a type bigint;",
		"3_it.sql", up+"create index t_b on t (b);",
		"4_it.sql", up+"alter table t add check (id > 0);\nalter table young add check (id > 0);",
		"5_it.sql", noTx+"create index concurrently t_c on t (b);",
	)})
	size := rep.Sizes.Tables["t"]
	if size.Rows != 200000 || size.Bytes < 20<<20 || size.Total <= size.Bytes || size.WritesPer <= 0 {
		t.Errorf("%+v", size)
	}
	v := rep.Sizes.Speed
	for i, want := range map[int]float64{1: float64(size.Bytes)/v.Rewrite + float64(size.Bytes)/v.Index, 2: float64(size.Bytes) / v.Index, 3: float64(size.Bytes) / v.Read} {
		e := rep.Files[i].Up[0].Blocked
		if e == nil || e.Bytes != size.Bytes || e.Seconds < want*0.99 || e.Seconds > want*1.01 || e.Queued <= 0 || !strings.Contains(e.Base, "20 MB") {
			t.Errorf("%s: %+v, expected %.3f s", rep.Files[i].Up[0].SQL, e, want)
		}
	}
	if e := rep.Files[3].Up[1].Blocked; e != nil {
		t.Errorf("a table that production hasn't: %+v", e)
	}
	if e := rep.Files[4].Up[0].Blocked; e != nil || len(rep.Files[4].Dangers) > 0 {
		t.Errorf("concurrently: %+v %q", e, rep.Files[4].Dangers)
	}
	big := mustTrace(t, Options{Server: url, Rows: ownRows, Sizes: production, From: 4, Files: folder(
		"1_t.sql", up+"create table t (id int primary key, a int, b text);", "4_it.sql", up+"alter table t add check (id > 0);")})
	if st := big.Files[0].Up[0]; st.Blocked == nil || st.Blocked.Seconds < st.TookMS/1000*3.99 || st.Blocked.Seconds > st.TookMS/1000*4.01 {
		t.Errorf("scaled by four: %+v of %.3f ms", st.Blocked, st.TookMS)
	}
	var b strings.Builder
	if err := rep.Markdown(&b); err != nil || !strings.Contains(b.String(), "its longest transaction was open for") || !strings.Contains(b.String(), "estimate: statement 1: about ") {
		t.Errorf("%v\n%s", err, &b)
	}
	session, err := sizesSession(t.Context(), production)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(t.Context())
	if _, err := session.Exec(t.Context(), "create table x ()"); !pg.Is(err, "25006") {
		t.Errorf("the session can write: %v", err)
	}
	if _, err := Run(t.Context(), Options{Server: url, Sizes: "postgres://127.0.0.1:1/x", Files: folder("1_a.sql", up+"select 1;")}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("unreachable: %v", err)
	}
}
