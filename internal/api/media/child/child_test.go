package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/media/mediatest"
	"github.com/platctl/platctl/internal/api/media/picture"
)

// probeCommand makes this test's program try what a child must not be able to do.
const probeCommand = "try-everything"

// The runner starts the running program, which is this test's: it has to be the child as well.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == Command:
		err = Serve(os.Stdin, os.Stdout)
	case len(os.Args) == 2 && os.Args[1] == probeCommand:
		err = probe()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func probe() error {
	own, err := os.CreateTemp("", "probe-*")
	if err != nil {
		return err
	}
	_ = os.Remove(own.Name())
	l := DefaultLimits()
	l.Output = 1000
	confined, err := confine(l)
	if err != nil || len(confined) != 2 {
		return fmt.Errorf("confined by %v, %v", confined, err)
	}
	tries := map[string]func() error{
		"open a file":     func() error { _, err := os.Open("/etc/hostname"); return err },
		"make a file":     func() error { return os.WriteFile(filepath.Join(os.TempDir(), "probe-made"), nil, 0o600) },
		"remove a file":   func() error { return os.Remove(filepath.Join(os.TempDir(), "probe-none")) },
		"call a machine":  func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
		"run a program":   func() error { return exec.Command("/bin/true").Run() },
		"kill its parent": func() error { return syscall.Kill(os.Getppid(), 0) },
		"lift a limit":    func() error { return syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: 999, Max: 999}) },
	}
	for what, try := range tries {
		if err := try(); !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("it can %s: %v", what, err)
		}
	}
	if _, err := own.Write(make([]byte, 1001)); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("it can write 1001 bytes: %v", err)
	}
	return nil
}

// What a taken-over decoder would try is refused, in every thread.
func TestConfinement(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), os.Args[0], probeCommand).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func runner(t testing.TB, change func(*Limits)) *Runner {
	t.Helper()
	l := DefaultLimits()
	if change != nil {
		change(&l)
	}
	r, err := New(Options{Dir: t.TempDir(), Limits: l, Slots: 2, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func upload(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "upload"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

func sides() []int { return []int{1600, 800, 200} }

// A real child works on the corpus: each sample gets its verdict, within memory, and leaves no file behind.
func TestCorpus(t *testing.T) {
	t.Parallel()
	r := runner(t, nil)
	for _, s := range mediatest.Corpus() {
		out, err := r.Convert(t.Context(), upload(t, s.Data), s.Type, sides())
		var no *picture.Rejection
		if s.Want != "" {
			if !errors.As(err, &no) || string(no.Code) != s.Want || no.Detail == "" {
				t.Errorf("%s: %v, want %s", s.Name, err, s.Want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if len(out.Files) != len(out.Made) || len(out.Confined) != 2 || out.PeakRSS < 1<<20 || out.PeakRSS > 512<<20 {
			t.Errorf("%s: %+v", s.Name, out.Answer)
		}
		for i, f := range out.Files {
			data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
			if err != nil {
				t.Fatal(err)
			}
			m, err := mediatest.Decode(data)
			if err != nil || m.Bounds().Dx() != out.Made[i].Width || bytes.Contains(data, []byte(mediatest.Latitude)) {
				t.Errorf("%s: result %d: %v", s.Name, i, err)
			}
		}
		out.Close()
	}
	if left, err := os.ReadDir(r.o.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A picture that costs more than its limits ends its child, and the code says which limit it was.
func TestLimits(t *testing.T) {
	t.Parallel()
	heavy := mediatest.Scans(5700, 5700, 60)
	blank := mediatest.Blank(5700, 5700)
	for name, c := range map[string]struct {
		data   []byte
		limits func(*Limits)
		want   picture.Code
	}{
		"processor time": {heavy, func(l *Limits) { l.CPU = time.Second }, picture.DecodeTimeout},
		"wall time":      {heavy, func(l *Limits) { l.Wall = 500 * time.Millisecond }, picture.DecodeTimeout},
		"memory":         {blank, func(l *Limits) { l.Memory = 128 << 20 }, picture.DecodeOOM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := runner(t, c.limits).Convert(t.Context(), upload(t, c.data), "", sides())
			var f *Failure
			if !errors.As(err, &f) || f.Code != c.want || f.Detail == "" {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// What is killed from outside is out of memory, as far as anybody can tell; what ends for another reason is a crash with its text.
func TestDeaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   Failure
	}{
		"killed":        {"kill -9 $$", Failure{picture.DecodeOOM, "it takes more memory than a picture may"}},
		"panics":        {"echo 'panic: index out of range' >&2; exit 2", Failure{"", "exit status 2: panic: index out of range"}},
		"has no memory": {"echo 'fatal error: runtime: out of memory' >&2; exit 2", Failure{picture.DecodeOOM, "it takes more memory than a picture may"}},
		"faults without memory": {"printf 'SIGSEGV: segmentation violation\nPC=0x4333bd m=3\n\ngoroutine 0 gp=0x27 m=3:\n' >&2; exit 2",
			Failure{picture.DecodeOOM, "it takes more memory than a picture may"}},
		"ends by SIGSEGV": {"kill -SEGV $$", Failure{"", "signal: segmentation fault: "}},
	} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", c.script)
		var text strings.Builder
		cmd.Stderr = &text
		err := failure(cmd.Run(), cmd.ProcessState, DefaultLimits(), text.String())
		var f *Failure
		if !errors.As(err, &f) || f.Code != c.want.Code || !strings.HasPrefix(f.Detail, c.want.Detail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A child goes when whoever waits for it does, with everything it started.
func TestCancel(t *testing.T) {
	t.Parallel()
	r := runner(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.Convert(ctx, upload(t, mediatest.Scans(5700, 5700, 60)), "", sides())
		ended <- err
	}()
	pid := waitForChild(t)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child lives: %v", err)
	}
}

// waitForChild returns the pid of a child of this process that decodes.
func waitForChild(t *testing.T) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for _, field := range strings.Fields(string(text)) {
				line, _ := os.ReadFile("/proc/" + field + "/cmdline")
				if string(line) == "platctl\x00"+Command+"\x00" {
					pid, _ := strconv.Atoi(field)
					return pid
				}
			}
		}
	}
	t.Fatal("no child was started")
	return 0
}

// An answer comes from a process that may be in the hands of whoever made the picture.
func FuzzAnswer(f *testing.F) {
	q := Request{Version: version, Sides: sides(), Limits: DefaultLimits()}
	f.Add([]byte(`{"version":1,"made":[{"width":10,"height":20,"bytes":30}],"confined":["limits"]}`))
	f.Add([]byte(`{"version":1,"code":"corrupt","detail":"it is damaged"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readAnswer(bytes.NewReader(data), q)
		if err != nil {
			return
		}
		if a.Code == "" && len(a.Made) == 0 || len(a.Made) > len(q.Sides) || len(a.Detail) > 300 {
			t.Fatalf("accepted %+v", a)
		}
		for _, m := range a.Made {
			if m.Width > 1600 || m.Height > 1600 || m.Bytes > q.Limits.Output {
				t.Fatalf("accepted %+v", m)
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"version":1,"declared":"image/png","sides":[1600,800,200],"limits":{"memory":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if q, err := readRequest(bytes.NewReader(data)); err == nil && (len(q.Sides) == 0 || len(q.Sides) > 8 || q.Version != version) {
			t.Fatalf("accepted %+v", q)
		}
	})
}
