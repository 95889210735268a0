package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// RoutesSchema is the name and version of the routes file.
func RoutesSchema() format.Schema { return format.Schema{Name: "platctl.routes", Version: 1} }

// routesDoc is the routes file. Entries are kept raw so that each is decoded on its own.
type routesDoc struct {
	Schema string                     `json:"schema"`
	Routes map[string]json.RawMessage `json:"routes"`
}

// store is the routes file on disk. Its user serializes the calls.
type store struct {
	path   string
	good   bool                       // the file at path is readable, so it may become the previous copy
	unread map[string]json.RawMessage // entries this edge can't read; written back as they are
}

// maxRoutes bounds the routes file: a route has a few kilobytes at most.
const maxRoutes = 16 << 20

// load returns the stored routes and what could not be read. It falls back to the previous copy when the file itself is
// unreadable, and to no routes when both are: an edge that starts beats one that does not.
func (s *store) load() ([]Route, []string) {
	var problems []string
	for _, path := range []string{s.path, durable.Previous(s.path)} {
		data, err := durable.ReadFile(path, maxRoutes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s can't be read: %v", path, err))
			continue
		}
		routes, unread, bad, err := parseRoutes(data)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s is not usable: %v", path, err))
			continue
		}
		s.good, s.unread = path == s.path, unread
		return routes, append(problems, bad...)
	}
	return nil, problems
}

// parseRoutes reads a routes file. An error means that nothing of it is usable.
func parseRoutes(data []byte) (routes []Route, unread map[string]json.RawMessage, bad []string, err error) {
	var doc routesDoc
	if err := RoutesSchema().Decode(data, &doc); err != nil {
		return nil, nil, nil, err
	}
	unread = map[string]json.RawMessage{}
	hosts := map[string]string{}
	names := make([]string, 0, len(doc.Routes))
	for name := range doc.Routes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var r Route
		err := json.Unmarshal(doc.Routes[name], &r)
		if err == nil {
			err = r.valid(name)
		}
		if other, taken := hosts[r.Host]; err == nil && taken {
			err = fault.New(fault.Invalid, "host %q belongs to %s already", r.Host, other)
		}
		if err != nil {
			unread[name] = doc.Routes[name]
			bad = append(bad, fmt.Sprintf("route %q is left out: %v", name, err))
			continue
		}
		hosts[r.Host] = name
		routes = append(routes, r)
	}
	return routes, unread, bad, nil
}

// save makes routes the content of the file, keeping what was there before as the previous copy.
func (s *store) save(routes []Route) error {
	doc := routesDoc{Schema: RoutesSchema().String(), Routes: map[string]json.RawMessage{}}
	for name, raw := range s.unread {
		doc.Routes[name] = raw
	}
	for _, r := range routes {
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		doc.Routes[r.App] = raw
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	if s.good {
		if err := durable.KeepPrevious(s.path); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(s.path, append(data, '\n'), 0o600); err != nil {
		return err
	}
	s.good = true
	return nil
}

func (r *Route) valid(name string) error {
	if r.App != name {
		return fault.New(fault.Invalid, "it is of app %q", r.App)
	}
	if r.Host != strings.ToLower(r.Host) || strings.ContainsAny(r.Host, ": /") {
		return fault.New(fault.Invalid, "%q is not a host name in lower case", r.Host)
	}
	if r.Standby != nil {
		if err := r.Standby.valid(); err != nil {
			return err
		}
	}
	return r.Active.valid()
}

func (t *Target) valid() error {
	if t.Release == "" || !filepath.IsAbs(t.Socket) {
		return fault.New(fault.Invalid, "release %q on socket %q is not a target", t.Release, t.Socket)
	}
	return nil
}
