package indexes

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// query is a named query as people write it.
type query struct {
	name, kind string
	text       string   // with @names
	sql        string   // with $1, $2
	params     []string // the name of $1, of $2
}

var (
	header    = regexp.MustCompile(`(?m)^-- name: (\w+) :(\w+)\n`)
	parameter = regexp.MustCompile(`(^|[^@\w])(?:@([a-z_]+)|sqlc\.n?arg\(\s*'?([a-z_]+)'?\s*\))`)
)

// parse reads every named query of a folder, in the order of files and lines.
func parse(files fs.FS) ([]query, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the queries can't be listed")
	}
	var out []query
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the queries can't be read")
		}
		at := header.FindAllSubmatchIndex(data, -1)
		for i, m := range at {
			end := len(data)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			q := query{name: string(data[m[2]:m[3]]), kind: string(data[m[4]:m[5]])}
			q.text = strings.TrimSuffix(strings.TrimSpace(string(data[m[1]:end])), ";")
			q.number()
			out = append(out, q)
		}
	}
	return out, nil
}

// number turns names into numbers, a name into the same one everywhere.
func (q *query) number() {
	q.sql = parameter.ReplaceAllStringFunc(withoutComments(q.text), func(found string) string {
		m := parameter.FindStringSubmatch(found)
		name := m[2] + m[3] // one of them is empty
		n := slices.Index(q.params, name)
		if n < 0 {
			q.params = append(q.params, name)
			n = len(q.params) - 1
		}
		return fmt.Sprintf("%s$%d", m[1], n+1)
	})
}

func withoutComments(sql string) string {
	lines := slices.DeleteFunc(strings.Split(sql, "\n"), func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "--") })
	return strings.Join(lines, "\n")
}
