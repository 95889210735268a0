package migrate

import (
	"strings"
	"testing"
)

func split(text string) ([]string, bool) {
	var p splitter
	no := 0
	for line := range strings.Lines(text) {
		no++
		p.add(line, no)
	}
	var out []string
	for _, st := range p.out {
		out = append(out, st.SQL)
	}
	return out, p.lex.open()
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"two on a line":         {"select 1; select 2;", []string{"select 1;", "select 2;"}},
		"over lines":            {"select\n1\n;\n\nselect 2;", []string{"select\n1\n;", "select 2;"}},
		"string":                {"select 'a;b''c;d';", []string{"select 'a;b''c;d';"}},
		"backslash is a letter": {`select 'a\'; select 2;`, []string{`select 'a\';`, "select 2;"}},
		"escape string":         {`select E'a\';b'; select 2;`, []string{`select E'a\';b';`, "select 2;"}},
		"escape after a name":   {`select fee'x\'; select 2;`, []string{`select fee'x\';`, "select 2;"}},
		"continued escape":      {"select e'a'\n  '\\';b'; select 2;", []string{"select e'a'\n  '\\';b';", "select 2;"}},
		"not continued":         {`select E'a' '\'; select 2;`, []string{`select E'a' '\';`, "select 2;"}},
		"unicode string":        {`select U&'\'; select 2;`, []string{`select U&'\';`, "select 2;"}},
		"identifier":            {`select 1 as "a;""b;"; select 2;`, []string{`select 1 as "a;""b;";`, "select 2;"}},
		"dollar":                {"do $$ begin; 'x; end $$; select 2;", []string{"do $$ begin; 'x; end $$;", "select 2;"}},
		"tagged dollar":         {"do $a$ ; $b$ ; $$ ; $a$; select 2;", []string{"do $a$ ; $b$ ; $$ ; $a$;", "select 2;"}},
		"dollar in a name":      {"select a$b$; select c$b$;", []string{"select a$b$;", "select c$b$;"}},
		"parameter":             {"prepare p as select $1; select 2;", []string{"prepare p as select $1;", "select 2;"}},
		"line comment":          {"select 1 -- a;b 'c\n; select 2;", []string{"select 1 -- a;b 'c\n;", "select 2;"}},
		"nested comment":        {"select /* a /* ; */ ' ; */ 1; select 2;", []string{"select /* a /* ; */ ' ; */ 1;", "select 2;"}},
		"comments between":      {"-- one;\nselect 1; -- two\n/* three; */\n-- four\nselect 2;", []string{"select 1;", "select 2;"}},
		"empty":                 {";; /* x */ ; -- y\n;", nil},
		"rule":                  {"create rule r as on insert to t do (delete from a; delete from b); select 2;", []string{"create rule r as on insert to t do (delete from a; delete from b);", "select 2;"}},
		"atomic": {
			"create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3;",
			[]string{"create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end;", "select 3;"}},
		"begin is not a body": {"begin; select 1; end;", []string{"begin;", "select 1;", "end;"}},
		"carriage return":     {"select 1;\r\nselect 2;\r\n", []string{"select 1;", "select 2;"}},
	} {
		got, open := split(tc.in)
		if strings.Join(got, "|") != strings.Join(tc.want, "|") || open {
			t.Errorf("%s: %q (open %v), want %q", name, got, open, tc.want)
		}
	}
	for _, in := range []string{"select 1", "select 'a;", "select $$;", "select (1;", "/* ;", `select "a;`, "create function f() begin atomic select 1;"} {
		if got, open := split(in); !open || len(got) != 0 {
			t.Errorf("%q: %q and open %v, want nothing and open", in, got, open)
		}
	}
}

// FuzzSplit checks that no statement is lost or torn: what is between the statements is only comments and semicolons, and
// a statement splits into itself.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"select 1; select '2;';", "do $x$;$x$;", "/* /* */ ; */ select E'\\';';", "select 'a'\n'b;';", "-- x\n;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, open := split(text)
		rest := text
		for _, sql := range got {
			i := strings.Index(rest, sql)
			if i < 0 {
				t.Fatalf("%q is not in the rest %q of %q", sql, rest, text)
			}
			if between, _ := split(rest[:i]); len(between) != 0 {
				t.Fatalf("lost %q of %q", between, text)
			}
			rest = rest[i+len(sql):]
			again, torn := split(sql)
			if len(again) != 1 || again[0] != sql || torn {
				t.Fatalf("%q of %q splits into %q (open %v)", sql, text, again, torn)
			}
		}
		if left, o := split(rest); len(left) != 0 || o != open {
			t.Fatalf("rest %q of %q holds %q, open %v, want %v", rest, text, left, o, open)
		}
	})
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"create unique index concurrently if not exists i on t (a)":       true,
		"/* now */ DROP INDEX CONCURRENTLY i":                             true,
		"reindex (verbose) index concurrently i":                          true,
		"alter table only s.parent detach partition s.child concurrently": true,
		"refresh materialized view concurrently v":                        false,
		"create index i on t (\"concurrently\") -- concurrently":          false,
		"insert into t values ('create index concurrently')":              false,
		"": false,
	} {
		if got := concurrent(sql); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}
