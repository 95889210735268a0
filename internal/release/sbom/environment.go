package sbom

import (
	"path/filepath"
	"strconv"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// Epoch reads SOURCE_DATE_EPOCH, by which a build is told the time to write into what it makes
// (reproducible-builds.org); the zero time when it is not set.
func Epoch(lookup func(string) (string, bool)) (time.Time, error) {
	v, ok := lookup("SOURCE_DATE_EPOCH")
	if !ok || v == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > 253402300799 { // the end of the year 9999, the last one that RFC 3339 can write
		return time.Time{}, fault.New(fault.Config, "SOURCE_DATE_EPOCH is %.40q, not a number of seconds since 1970", v)
	}
	return time.Unix(n, 0).UTC(), nil
}

// ModCache returns the folder where the go command keeps modules, by its own rules; "" when there is no home.
func ModCache(lookup func(string) (string, bool)) string {
	if v, _ := lookup("GOMODCACHE"); v != "" {
		return v
	}
	if v, _ := lookup("GOPATH"); v != "" {
		return filepath.Join(filepath.SplitList(v)[0], "pkg", "mod")
	}
	if v, _ := lookup("HOME"); v != "" {
		return filepath.Join(v, "go", "pkg", "mod")
	}
	return ""
}
