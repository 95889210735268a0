package trace

import (
	"fmt"
	"strings"
	"testing"
)

// What is dangerous and what is worth a hint, on a real run.
func TestJudge(t *testing.T) {
	t.Parallel()
	rep := mustTrace(t, Options{Rows: 100, Files: folder(
		"01_world.sql", up+"create table a (id int primary key, x int);\ncreate table b (id int primary key, a_id int);\ncreate table new_only (id int);\ncreate index on new_only (id);",
		"02_l31.sql", up+"alter table a add y int;\nselect 1;\nupdate b set a_id = id + 1;"+down+"alter table a drop y;",
		"03_l32.sql", up+"alter table a add z int;\nalter table b alter a_id type bigint;"+down+"alter table b alter a_id type int;\nalter table a drop z;",
		"04_l33.sql", up+"alter table a add v int;\nalter table b add v int;",
		"05_safe.sql", noTx+"create index concurrently a_x on a (x);\nalter table a add constraint p check (x > 0) not valid;\nalter table a validate constraint p;",
		"06_order.sql", up+"alter table b drop v;"+down+"alter table b add v int;",
		"07_data.sql", up+"alter table a drop x;"+down+"alter table a add x int;\ncreate index a_x on a (x);\nalter table a add constraint p check (x > 0);",
	)})
	want := map[string]string{
		"world": "no way down; ; 0",
		"l31":   "lossy; L31 at 2; 2", // b's content isn't what it was, and a is locked while b is read
		"l32":   "identical; L31 at 2, L32 at 2, L33 at 2; 1",
		"l33":   "no way down; L31 at 2, L33 at 2; 0",
		"safe":  "no way down; ; 0",
		"order": "identical; ; 0", // the last column, without content
		"data":  "lossy; ; 1",
	}
	for _, f := range rep.Files {
		var hints []string
		for _, h := range f.Hints {
			hints = append(hints, fmt.Sprintf("%s at %d", h.Rule, h.Statement))
		}
		if got := fmt.Sprintf("%s; %s; %d", f.Way.Class, strings.Join(hints, ", "), len(f.Dangers)); got != want[f.Name] {
			t.Errorf("%s: %s, expected %s\n%q", f.Name, got, want[f.Name], f.Dangers)
		}
	}
	if h := rep.Files[2].Strongest; h == nil || h.Mode != AccessExclusive || h.Relation != "a" || h.Taken != 1 || h.Over != 1 {
		t.Errorf("%+v", h)
	}
	if lost := strings.Join(rep.Files[6].Way.Data, " "); lost != "public.a.x" {
		t.Errorf("lost: %q", lost)
	}
}

// What a way down leaves behind, or makes differently, is lossy; columns in another order are a class of their own.
func TestWaysDown(t *testing.T) {
	t.Parallel()
	const world = "create table a (id int primary key, x int, y int);"
	for name, c := range map[string]struct{ text, class, lost string }{
		"order":    {"alter table a drop x;" + down + "alter table a add x int;", WayOrder, ""},
		"left":     {"create table t ();\ncreate table u ();" + down + "drop table t;\nalter table u rename to v;", WayLossy, "it leaves"},
		"comment":  {"alter table a drop x;" + down + "alter table a add x int default 3;", WayLossy, "it leaves column public.a.x behind"},
		"index":    {"drop index if exists a_i;" + down + "select 1;", WayLossy, "index public.a_i"},
		"identity": {"alter table a add z int;" + down + "alter table a drop z;", WayIdentical, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep := mustTrace(t, Options{Files: folder("1_world.sql", up+world+"\ncreate index a_i on a (y);", "2_it.sql", up+c.text)})
			f := rep.Files[1]
			if f.Way.Class != c.class || !strings.Contains(strings.Join(f.Dangers, " "), c.lost) {
				t.Errorf("%+v %q", f.Way, f.Dangers)
			}
		})
	}
}
