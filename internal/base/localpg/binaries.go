package localpg

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Binaries is one installation of the server's programs.
type Binaries struct {
	Dir     string
	Major   int
	Version string // for example 15.18
}

// Path returns the path of one program.
func (b Binaries) Path(program string) string { return filepath.Join(b.Dir, program) }

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[.\w]*)`)

// FindBinaries returns the programs in binDir, or where that is empty the first installation in PATH and then in the
// distribution's folders, newest first. want is the major version that a data directory needs; 0 takes any from MinMajor.
func FindBinaries(ctx context.Context, binDir string, want int) (Binaries, error) {
	dirs := []string{binDir}
	if binDir == "" {
		dirs = candidateDirs()
	}
	var seen []string
	for _, dir := range dirs {
		b, err := probeBinaries(ctx, dir)
		if err != nil {
			if binDir != "" {
				return Binaries{}, fault.Wrap(err, fault.Config, "%s holds no usable PostgreSQL", binDir).
					WithHint("point localpg.bin_dir at the folder with initdb and postgres")
			}
			continue
		}
		if b.Major == want || want == 0 && b.Major >= MinMajor {
			return b, nil
		}
		seen = append(seen, b.Version+" in "+b.Dir)
	}
	return Binaries{}, notFound(want, seen)
}

func notFound(want int, seen []string) error {
	found := "none is installed"
	if len(seen) > 0 {
		found = "found " + strings.Join(seen, ", ")
	}
	if want == 0 {
		return fault.New(fault.Unavailable, "no PostgreSQL %d or newer: %s", MinMajor, found).
			WithHint("install it (Debian: apt-get install postgresql), or set localpg.bin_dir")
	}
	return fault.New(fault.Unavailable, "the data directory is of PostgreSQL %d: %s; nothing was touched", want, found).
		WithHint("install PostgreSQL %d, or move the data with pg_upgrade or pg_dump, or set localpg.dir to a new directory", want)
}

func candidateDirs() []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		"/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(digits(b), digits(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// digits reads the first number of a path: the version, in the folders of candidateDirs.
func digits(path string) int {
	i := strings.IndexAny(path, "0123456789")
	if i < 0 {
		return 0
	}
	end := i
	for end < len(path) && path[end] >= '0' && path[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(path[i:end])
	return n
}

func probeBinaries(ctx context.Context, dir string) (Binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, err
	}
	m := versionLine.FindStringSubmatch(string(out))
	if m == nil {
		return Binaries{}, fault.New(fault.Invalid, "%s answers %q to --version", filepath.Join(dir, "postgres"), out)
	}
	major, err := strconv.Atoi(m[2])
	return Binaries{Dir: dir, Major: major, Version: m[1]}, err
}
