package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	queryName = regexp.MustCompile(`(?m)^-- name: ([A-Za-z]+) :`)
	exemption = regexp.MustCompile(`(?m)^\s*-- concealment: exempt(.*)$`)
	comments  = regexp.MustCompile(`--[^\n]*|/\*(?s:.*?)\*/|'(?:[^']|'')*'`)
	// A row source is what follows FROM, JOIN, USING or a comma; DELETE FROM names what is written, not what is read.
	written  = regexp.MustCompile(`(?i)\bdelete\s+from\s+\S+`)
	baseRead = regexp.MustCompile(`(?i)(?:\b(?:from|join|using)|,)\s*(?:lateral\s+)?(?:only\s+)?(?:public\s*\.\s*)?"?` +
		`(users|posts|comments|likes|follows|notifications|report_details)\b"?`)
)

// offences returns the base tables that a query reads without a reasoned exemption, and an exemption without a reason or
// a use.
func offences(query string) []string {
	var out []string
	reads := baseRead.FindAllStringSubmatch(written.ReplaceAllString(comments.ReplaceAllString(query, " "), " "), -1)
	e := exemption.FindStringSubmatch(query)
	switch {
	case e == nil:
		for _, r := range reads {
			out = append(out, "reads "+r[1]+" past visible_"+r[1]+"()")
		}
	case len(strings.Fields(e[1])) < 3:
		out = append(out, "is exempt without a reason")
	case len(reads) == 0:
		out = append(out, "is exempt and reads no base table")
	}
	return out
}

// Rows that people wrote are read through the visible_*() functions, so that nobody can forget who is hidden from whom. A
// query that has to see more says why: `-- concealment: exempt <reason>`.
func TestQueriesConceal(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("queries/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no queries", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		at := queryName.FindAllSubmatchIndex(src, -1)
		for i, m := range at {
			end := len(src)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			for _, what := range offences(string(src[m[0]:end])) {
				t.Errorf("%s: %s %s", f, src[m[2]:m[3]], what)
			}
		}
	}
}

// The check itself: what it has to find, and what it must not mistake.
func TestOffences(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]int{
		"select * from posts p":                                             1,
		"select * from visible_posts($1) p":                                 0,
		"select * from visible_posts($1) p join\n  users u on true":         1,
		"select 1 from a, lateral likes l, public.users":                    2,
		`select 1 from "users"`:                                             1,
		"delete from likes where x = 1":                                     0,
		"delete from likes d using posts p where true":                      1,
		"update posts set body = $1 where id = 2":                           0,
		"update posts set body = $1 from users u":                           1,
		"insert into follows select 1 from target":                          0,
		"-- reads from users\nselect 'from users'":                          0,
		"select 1 from posts_archive":                                       0,
		"select 1 from report_details d":                                    1,
		"-- concealment: exempt the owner's own list\nselect 1 from users":  0,
		"-- concealment: exempt\nselect 1 from users":                       1,
		"-- concealment: exempt for a reason that is not there\nselect 1":   1,
		"select exists (select 1 from comments c where c.post_id = p.id) x": 1,
	} {
		if got := offences(query); len(got) != want {
			t.Errorf("%q: %v, want %d offences", query, got, want)
		}
	}
}
