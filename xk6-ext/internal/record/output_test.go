package record

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.k6.io/k6/v2/errext"
	"go.k6.io/k6/v2/errext/exitcodes"
	"go.k6.io/k6/v2/metrics"
	"go.k6.io/k6/v2/output"

	"github.com/platctl/platctl/xk6-ext/internal/summary"
)

func start(t *testing.T, file string) *Output {
	t.Helper()
	log := logrus.New()
	log.SetOutput(os.Stderr)
	o, err := New(output.Params{ConfigArgument: file, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(); err != nil {
		t.Fatal(err)
	}
	return o.(*Output)
}

func read(t *testing.T, file string) summary.Document {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d summary.Document
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOutputWritesOneDocumentAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	o := start(t, filepath.Join(dir, "out.json"))
	f := newFeeder(t)
	o.AddMetricSamples([]metrics.SampleContainer{f.trail("measure", feed, "200", "", time.Millisecond, t0)})
	if err := o.StopWithTestError(nil); err != nil {
		t.Fatal(err)
	}
	d := read(t, filepath.Join(dir, "out.json"))
	if d.Schema != summary.Schema || !d.Complete || d.Endpoints[feed].OK.N != 1 || d.Generator.MaxRSS == 0 {
		t.Errorf("wrote %+v", d)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left %v", files)
	}
}

func TestAFailedRunIsNotComplete(t *testing.T) {
	crossed := errext.WithExitCodeIfNone(errors.New("thresholds"), exitcodes.ThresholdsHaveFailed)
	for _, c := range []struct {
		err      error
		complete bool
	}{{nil, true}, {crossed, true}, {errors.New("the script threw"), false}} {
		file := filepath.Join(t.TempDir(), "out.json")
		if err := start(t, file).StopWithTestError(c.err); err != nil {
			t.Fatal(err)
		}
		d := read(t, file)
		if d.Complete != c.complete || (d.Error == "") != c.complete {
			t.Errorf("after %v: complete %v, error %q", c.err, d.Complete, d.Error)
		}
	}
}

func TestOutputNeedsAFileInAFolder(t *testing.T) {
	for _, arg := range []string{"", filepath.Join(t.TempDir(), "none", "out.json")} {
		if _, err := New(output.Params{ConfigArgument: arg}); err == nil || !strings.Contains(err.Error(), "--out platctl") {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

func TestTooManyNamesStopTheTest(t *testing.T) {
	o := start(t, filepath.Join(t.TempDir(), "out.json"))
	defer func() { _ = o.Stop() }()
	var stopped []error
	o.SetTestRunStopCallback(func(err error) { stopped = append(stopped, err) })
	f := newFeeder(t)
	for i := range maxEndpoints + 3 {
		o.AddMetricSamples([]metrics.SampleContainer{f.trail("measure", strings.Repeat("x", i+1), "200", "", 1, t0)})
	}
	var code errext.HasExitCode
	if len(stopped) != 1 || !errors.As(stopped[0], &code) || code.ExitCode() != exitcodes.InvalidConfig {
		t.Errorf("stopped with %v", stopped)
	}
}

func TestGeneratorLoadCountsOnlySecondsWithRequests(t *testing.T) {
	var g generator
	cpus := time.Duration(runtime.GOMAXPROCS(0))
	at := func(sec int) time.Time { return t0.Add(time.Duration(sec) * time.Second) }
	g.observe(at(0), 0, usage{cpu: 0})
	g.observe(at(1), 0, usage{cpu: cpus * time.Second})              // warm-up at full load: not measured
	g.observe(at(2), 10, usage{cpu: cpus * 1500 * time.Millisecond}) // half
	g.observe(at(3), 20, usage{cpu: cpus * 1750 * time.Millisecond}) // a quarter
	g.observe(at(13), 20, usage{cpu: cpus * 1750 * time.Millisecond, maxRSS: 7})
	var d summary.Generator
	g.fill(&d)
	if d.CPUPercent != 37.5 || d.PeakPercent != 50 || d.MaxRSS != 7 {
		t.Errorf("%+v", d)
	}
}
