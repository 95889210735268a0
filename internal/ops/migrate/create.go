package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,99}$`)

// habits is how the files of a folder are named and written.
type habits struct {
	dialect dialect
	newest  int64
	width   int // digits of the number
}

// Create writes an empty migration into dir, named and marked like the ones that are there, and returns its files. It replaces none.
func Create(dir, name, phase string, now time.Time) ([]string, error) {
	if !goodName.MatchString(name) {
		return nil, fault.New(fault.Usage, "%q is not a name of lower-case letters, digits and _", name)
	}
	if phase != "expand" && phase != "contract" && phase != "backfill" {
		return nil, fault.New(fault.Usage, "phase %q is not expand, contract or backfill", phase)
	}
	h, err := habitsOf(dir)
	if err != nil {
		return nil, fault.Op("make a migration", err)
	}
	var files []string
	for _, t := range h.templates(phase) {
		path := filepath.Join(dir, h.next(now)+"_"+name+t.suffix)
		if err := writeNew(path, t.text); err != nil {
			return files, fault.Op("make a migration", err)
		}
		files = append(files, path)
	}
	return files, nil
}

func habitsOf(dir string) (habits, error) {
	h := habits{width: 4}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return h, fault.Wrap(err, fault.Config, "the folder of migrations can't be read").WithHint("make the folder %s first", dir)
	}
	for _, e := range entries {
		match := fileName.FindStringSubmatch(e.Name())
		if match == nil {
			continue
		}
		version, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil || version <= h.newest {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return h, fault.Wrap(err, fault.Config, "%s can't be read", e.Name())
		}
		h = habits{dialect: dialectOf(string(text)), newest: version, width: len(match[1])}
		if _, _, half := upOrDown(e.Name(), string(text)); half {
			h.dialect = pair
		}
	}
	return h, nil
}

// next is the next number, or the time where the newest file has one.
func (h habits) next(now time.Time) string {
	if h.newest < firstTimestamp {
		return fmt.Sprintf("%0*d", h.width, h.newest+1)
	}
	stamp, _ := strconv.ParseInt(now.UTC().Format("20060102150405"), 10, 64) // digits only
	return strconv.FormatInt(max(stamp, h.newest+1), 10)
}

type template struct{ suffix, text string }

// templates are the files of a migration.
func (h habits) templates(phase string) []template {
	head := "-- platctl: phase " + phase + "\n"
	switch h.dialect {
	case pair:
		return []template{{".up.sql", head}, {".down.sql", ""}}
	case dbmate:
		return []template{{".sql", "-- migrate:up\n" + head + "\n\n-- migrate:down\n\n"}}
	}
	return []template{{".sql", "-- +goose Up\n" + head + "\n\n-- +goose Down\n\n"}}
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s is there already", path).WithHint("choose another name")
	}
	if err == nil {
		_, err = f.WriteString(text)
		err = cmp.Or(err, f.Close())
	}
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be written", path)
	}
	return nil
}
