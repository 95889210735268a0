package build

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strconv"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
)

// migration matches the name of a migration, which starts with its number.
var migration = regexp.MustCompile(`^(\d+)_.*\.sql$`)

// schemaRange returns the schema versions a release runs on: it is built for the newest migration in dir, and nothing
// newer is known when it is built. A folder that does not exist means no database.
func schemaRange(dir string, oldest int64) (manifest.Database, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return manifest.Database{}, nil
	}
	if err != nil {
		return manifest.Database{}, fault.Wrap(err, fault.Config, "release.migrations: %s can't be read", dir)
	}
	var newest int64
	for _, e := range entries {
		m := migration.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return manifest.Database{}, fault.New(fault.Config, "migration %s: the number is too large", e.Name())
		}
		newest = max(newest, n)
	}
	if oldest == 0 {
		oldest = newest
	}
	if oldest < 0 || oldest > newest {
		return manifest.Database{}, fault.New(fault.Config, "release.min_schema is %d, but the newest migration is %d", oldest, newest)
	}
	return manifest.Database{BuiltFor: newest, Min: oldest, Max: newest}, nil
}
