package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func shell(t *testing.T, script string, args ...string) *Child {
	t.Helper()
	c, err := Start(Command{Path: "/bin/sh", Args: append([]string{"-c", script, "sh"}, args...), Dir: t.TempDir(), Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Kill(context.Background()) })
	return c
}

func TestStartedProcessLeadsItsOwnSession(t *testing.T) {
	t.Parallel()
	c := shell(t, "read x < /dev/zero")
	if !c.Alive() {
		t.Fatal("not alive")
	}
	if g, err := syscall.Getpgid(c.PID); err != nil || g != c.PID {
		t.Fatalf("group %d, %v", g, err)
	}
	if err := c.Stop(deadline(t), time.Minute); err != nil {
		t.Fatal(err)
	}
	<-c.Exited()
	if c.Alive() || !strings.Contains(c.ExitText(), "terminated") {
		t.Fatalf("alive %t, %s", c.Alive(), c.ExitText())
	}
}

func TestStubbornProcessAndItsChildrenAreKilled(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "stubborn-marker")
	c := shell(t, `trap '' TERM; sleep 600 & echo $! > "$1"; while :; do wait; done`, marker)
	var kid ID
	for ctx := deadline(t); ; {
		b, _ := os.ReadFile(marker)
		if n := len(b); n > 0 && b[n-1] == '\n' {
			pid := 0
			for _, d := range b[:n-1] {
				pid = pid*10 + int(d-'0')
			}
			kid, _ = Of(pid)
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the child did not start")
		}
	}
	if err := c.Stop(deadline(t), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := kid.Wait(deadline(t)); err != nil {
		t.Fatalf("the grandchild survived: %v", err)
	}
}

// A recycled pid: same number, other start time.
func TestAnotherProcessWithTheSamePidIsNeverSignalled(t *testing.T) {
	t.Parallel()
	c := shell(t, "read x < /dev/zero")
	for name, old := range map[string]ID{
		"another start": {PID: c.PID, Start: c.Start - 1, Boot: c.Boot},
		"another boot":  {PID: c.PID, Start: c.Start, Boot: "earlier"},
		"no pid":        {},
		"everyone":      {PID: -1, Start: c.Start, Boot: c.Boot},
	} {
		if old.Alive() {
			t.Errorf("%s: taken for alive", name)
		}
		if err := old.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s: signalled: %v", name, err)
		}
		if err := old.Stop(deadline(t), time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !c.Alive() {
		t.Fatal("the innocent process is gone")
	}
}

func TestFindByArg(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "find-me")
	c := shell(t, "read x < /dev/zero", mark)
	if got := FindByArg(mark); !slices.Equal(got, []ID{c.ID}) {
		t.Fatalf("found %v, want %v", got, c.ID)
	}
	if got := FindByArg(mark[:len(mark)-1]); len(got) != 0 {
		t.Fatalf("a part of an argument matched: %v", got)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	st, err := parseStat([]byte("7 (a) b ( c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	if err != nil || st.state != 'S' || st.start != 4242 {
		t.Fatalf("%+v, %v", st, err)
	}
	for _, bad := range []string{"", "7 (x", "7 (x) S 1 2", "7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -1"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 20<<10)+"\none\n\xff\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(path, 3); !slices.Equal(got, []string{"one", "?", "three"}) {
		t.Fatalf("%q", got)
	}
	if got := Tail(path+".none", 3); got != nil {
		t.Fatalf("%q", got)
	}
}
