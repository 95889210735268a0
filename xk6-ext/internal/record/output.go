// Package record is the output --out platctl=FILE: it keeps one histogram per endpoint and outcome and writes one document
// (package summary) when the run ends.
//
// Invariants: memory depends on the number of endpoints, never on the number of requests (k6's own Trend keeps every
// value). AddMetricSamples never waits: it only counts, because an output that blocks stalls the virtual users and makes
// the generator the bottleneck. Only samples tagged phase=measure count, so warm-up, setup and teardown are excluded.
package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"go.k6.io/k6/v2/errext"
	"go.k6.io/k6/v2/errext/exitcodes"
	"go.k6.io/k6/v2/metrics"
	"go.k6.io/k6/v2/output"

	"github.com/platctl/platctl/xk6-ext/internal/summary"
)

// ProgressEnv, set to 1, makes the output log one line a second for platctl to show.
const ProgressEnv = "PLATCTL_PROGRESS"

// Output implements output.Output.
type Output struct {
	path     string
	log      logrus.FieldLogger
	progress bool
	stop     func(error)

	mu  sync.Mutex // AddMetricSamples against the ticker; held for the time of a count or of one reading
	rec *Recorder
	gen generator

	quit chan struct{}
	done chan struct{}
}

// New makes the output of --out platctl=FILE.
func New(p output.Params) (output.Output, error) {
	if p.ConfigArgument == "" {
		return nil, errors.New("--out platctl needs a file: --out platctl=FILE")
	}
	dir := filepath.Dir(p.ConfigArgument)
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("--out platctl=%s: %s is no directory", p.ConfigArgument, dir)
	}
	return &Output{
		path: p.ConfigArgument, log: p.Logger, progress: p.Environment[ProgressEnv] == "1",
		stop: func(error) {}, rec: NewRecorder(p.ScriptOptions.Scenarios), quit: make(chan struct{}), done: make(chan struct{}),
	}, nil
}

// Description implements output.Output.
func (o *Output) Description() string { return "platctl (" + o.path + ")" }

// SetTestRunStopCallback implements output.WithTestRunStop.
func (o *Output) SetTestRunStopCallback(stop func(error)) { o.stop = stop }

// Start implements output.Output.
func (o *Output) Start() error {
	go o.watch()
	return nil
}

// AddMetricSamples implements output.Output.
func (o *Output) AddMetricSamples(containers []metrics.SampleContainer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.rec.Add(containers); err != nil {
		o.stop(errext.WithAbortReasonIfNone(errext.WithExitCodeIfNone(err, exitcodes.InvalidConfig), errext.AbortedByOutput))
	}
}

// watch reads the generator's own load once a second until Stop.
func (o *Output) watch() {
	defer close(o.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-o.quit:
			return
		case now := <-tick.C:
			o.mu.Lock()
			n, failed := o.rec.Seen(), o.rec.failed
			o.gen.observe(now, n, readUsage())
			o.mu.Unlock()
			if o.progress {
				o.log.WithFields(logrus.Fields{"platctl_progress": true, "requests": n, "failed": failed}).Info("progress")
			}
		}
	}
}

// Stop implements output.Output.
func (o *Output) Stop() error { return o.StopWithTestError(nil) }

// StopWithTestError implements output.WithStopWithTestError. The document is written for a run that failed as well, and
// says so. Crossed thresholds are a verdict on a complete run.
func (o *Output) StopWithTestError(runErr error) error {
	close(o.quit)
	<-o.done
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gen.observe(time.Now(), o.rec.Seen(), readUsage())
	doc, err := o.rec.Document()
	if err != nil {
		return err
	}
	o.gen.fill(&doc.Generator)
	if runErr != nil && !crossedThresholds(runErr) {
		doc.Complete, doc.Error = false, runErr.Error()
	}
	return doc.Write(o.path)
}

func crossedThresholds(err error) bool {
	var code errext.HasExitCode
	return errors.As(err, &code) && code.ExitCode() == exitcodes.ThresholdsHaveFailed
}

var _ interface {
	output.WithTestRunStop
	output.WithStopWithTestError
} = (*Output)(nil)

// newDocument returns the document of a complete run.
func newDocument() *summary.Document {
	return &summary.Document{
		Schema: summary.Schema, Extension: summary.Version, K6: summary.K6Version(), Complete: true,
		Endpoints: map[string]*summary.Endpoint{},
	}
}
