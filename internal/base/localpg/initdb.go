package localpg

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/platctl/platctl/internal/base/fault"
)

const unfinished = ".init-" // DIR.init-XXXX is a data directory in the making

// create makes the data directory beside its place and renames it. The caller holds the lock.
func (c *cluster) create(ctx context.Context) error {
	c.sweep()
	bin, err := FindBinaries(ctx, c.opts.BinDir, 0)
	if err != nil {
		return err
	}
	tmp := c.dir + unfinished + rand.Text()[:8]
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fault.Wrap(err, fault.Failed, "the data directory can't be made").
			WithHint("the folder %s has to be writable by you, or set localpg.dir", filepath.Dir(c.dir))
	}
	defer os.RemoveAll(tmp) // after the rename there is nothing left to remove
	if err := c.acct.own(tmp); err != nil {
		return fault.Wrap(err, fault.Failed, "the data directory can't be given to %s", c.acct.name)
	}
	if err := c.initdb(ctx, bin, tmp); err != nil {
		return err
	}
	if err := unix.Rename(tmp, c.dir); err != nil { // unlike os.Rename it replaces an empty directory
		return fault.Wrap(err, fault.Failed, "the new data directory can't be put in its place")
	}
	c.major = bin.Major
	return c.syncParent()
}

// sweep removes what a killed initdb left behind.
func (c *cluster) sweep() {
	old, _ := filepath.Glob(escapeGlob(c.dir) + unfinished + "*")
	for _, path := range old {
		_ = os.RemoveAll(path)
	}
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func (c *cluster) initdb(ctx context.Context, bin Binaries, dir string) error {
	locale := "C"
	if runtime.GOOS == "linux" {
		locale = "C.UTF-8"
	}
	// trust is bounded by the folder of the socket; see the package comment.
	args := []string{"-D", dir, "-U", Superuser, "-E", "UTF8", "--locale=" + locale,
		"--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"}
	if c.opts.NoSync {
		args = append(args, "--no-sync")
	}
	cmd := c.acct.command(dir, bin.Path("initdb"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	dieWithParent(cmd.SysProcAttr)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for dieWithParent; the thread ends with the goroutine
		if err := cmd.Start(); err != nil {
			done <- c.acct.explain(err, cmd)
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		defer stop()
		done <- cmd.Wait()
	}()
	err := <-done
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return fault.Wrap(ctx.Err(), fault.KindOf(ctx.Err()), "initdb was interrupted; nothing was left behind")
	}
	return fault.Wrap(err, fault.Failed, "initdb: %s", initdbReason(out.String())).
		WithHint("nothing was left behind; it is safe to try again")
}

// initdbReason picks the lines that say what went wrong out of initdb's talk.
func initdbReason(out string) string {
	var why []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") {
			why = append(why, line)
		}
	}
	if len(why) == 0 {
		return lastLines(out, 3)
	}
	return strings.Join(why, "; ")
}

// lastLines returns the last n lines that aren't empty, joined.
func lastLines(text string, n int) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

func (c *cluster) syncParent() error {
	if c.opts.NoSync {
		return nil
	}
	d, err := os.Open(filepath.Dir(c.dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil // a folder may be writable and not readable
	}
	if err != nil {
		return fault.Wrap(err, fault.Failed, "the folder of the data directory can't be synced")
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fault.Wrap(err, fault.Failed, "the folder of the data directory can't be synced")
	}
	return nil
}
