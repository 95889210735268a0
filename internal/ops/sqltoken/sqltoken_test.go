package sqltoken

import (
	"fmt"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	names := map[Kind]string{Word: "w", Quoted: "q", String: "s", Number: "n", Symbol: ""}
	for sql, want := range map[string]string{
		`DROP Table "Ä b".c -- x` + "\n;":             `w:drop w:table q:Ä b . w:c ;`,
		`select 'it''s', E'a\'b', $$x;$$, $t$ $$ $t$`: `w:select s:it's , s:a'b , s:x; , s: $$ `,
		`a /* b /* c */ d */ e`:                       `w:a w:e`,
		`1.5e3::numeric(8,2)`:                         `n:1.5e3 : : w:numeric ( n:8 , n:2 )`,
		`$1 + x'ff'`:                                  `$ n:1 + s:ff`,
		`"half`:                                       `q:half`,
		`$a$ half`:                                    `s: half`,
		`/* half`:                                     ``,
		`e'half\`:                                     `s:half\`,
	} {
		var got []string
		for _, tok := range Split(sql) {
			got = append(got, strings.TrimPrefix(fmt.Sprintf("%s:%s", names[tok.Kind], tok.Text), ":"))
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s\n got %s\nwant %s", sql, g, want)
		}
	}
}

// Every token begins behind the one before, inside the text.
func FuzzSplit(f *testing.F) {
	for _, sql := range []string{"drop table a, \"b\"", "select $$ $t$ $$", "e'\\", "/*/**/", "$é$1", "'a'\n'b'"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		last := -1
		for _, tok := range Split(sql) {
			if tok.At <= last || tok.At >= len(sql) || len(tok.Text) > len(sql) {
				t.Fatalf("token %+v after offset %d of %q", tok, last, sql)
			}
			last = tok.At
		}
	})
}
