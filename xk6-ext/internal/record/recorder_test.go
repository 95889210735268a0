package record

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/executor"
	"go.k6.io/k6/v2/lib/netext/httpext"
	"go.k6.io/k6/v2/metrics"
	"gopkg.in/guregu/null.v3"

	"github.com/platctl/platctl/xk6-ext/internal/script"
	"github.com/platctl/platctl/xk6-ext/internal/summary"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var t0 = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// feeder makes the samples that k6 would.
type feeder struct {
	root    *metrics.TagSet
	builtin *metrics.BuiltinMetrics
	lag     *metrics.Metric
}

func newFeeder(t testing.TB) *feeder {
	t.Helper()
	reg := metrics.NewRegistry()
	lag, err := reg.NewMetric(script.LagMetric, metrics.Trend, metrics.Time)
	if err != nil {
		t.Fatal(err)
	}
	return &feeder{root: reg.RootTagSet(), builtin: metrics.RegisterBuiltinMetrics(reg), lag: lag}
}

// trail is one request: phase and name are tags, status 0 is no answer with k6's error code.
func (f *feeder) trail(phase, name, status, code string, took time.Duration, end time.Time) *httpext.Trail {
	tags := f.root.With("name", name).With("status", status)
	if phase != "" {
		tags = tags.With("phase", phase)
	}
	if code != "" {
		tags = tags.With("error_code", code)
	}
	return &httpext.Trail{Duration: took, EndTime: end, Tags: tags, Failed: null.BoolFrom(status != "200" && status != "201")}
}

func (f *feeder) sample(m *metrics.Metric, phase string, v float64) metrics.Sample {
	tags := f.root
	if phase != "" {
		tags = tags.With("phase", phase)
	}
	return metrics.Sample{TimeSeries: metrics.TimeSeries{Metric: m, Tags: tags}, Time: t0, Value: v}
}

func add(t *testing.T, r *Recorder, c ...metrics.SampleContainer) {
	t.Helper()
	if err := r.Add(c); err != nil {
		t.Fatal(err)
	}
}

func document(t *testing.T, r *Recorder) *summary.Document {
	t.Helper()
	d, err := r.Document()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func decode(t *testing.T, text string) *hdr.Histogram {
	t.Helper()
	h, err := hdr.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const feed = "GET /api/v1/feed"

func TestFailedRequestsDoNotPullTheLatencyDown(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	for i := range 100 {
		add(t, r, f.trail("measure", feed, "200", "", 40*time.Millisecond, t0.Add(time.Duration(i)*time.Second)))
		add(t, r, f.trail("measure", feed, "0", "1212", 0, t0))
		add(t, r, f.trail("measure", feed, "500", "1500", time.Millisecond, t0))
	}
	e := document(t, r).Endpoints[feed]
	if e.OK.N != 100 || e.Failed.N != 200 {
		t.Fatalf("ok %d, failed %d", e.OK.N, e.Failed.N)
	}
	if p50 := decode(t, e.OK.HDR).ValueAtQuantile(50); p50 < 39_900 || p50 > 40_100 {
		t.Errorf("p50 of the successful ones is %d µs", p50)
	}
	if max := decode(t, e.Failed.HDR).Max(); max > 1100 {
		t.Errorf("a failed one took %d µs", max)
	}
	if want := map[string]int64{"200": 100, "0": 100, "500": 100}; !reflect.DeepEqual(e.ByStatus, want) {
		t.Errorf("by status %v", e.ByStatus)
	}
	if want := map[string]int64{"1212": 100, "1500": 100}; !reflect.DeepEqual(e.ByError, want) {
		t.Errorf("by error %v", e.ByError)
	}
}

func TestOnlyTheMeasurePhaseCounts(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	b := f.builtin
	for _, phase := range []string{"", "warmup", "measure"} {
		add(t, r, f.trail(phase, feed, "200", "", time.Second, t0))
		add(t, r,
			metrics.Samples{f.sample(b.DataSent, phase, 100), f.sample(b.DataReceived, phase, 1000)},
			f.sample(b.Iterations, phase, 1), f.sample(f.lag, phase, 2.5),
			f.sample(b.VUs, phase, 9),
		)
	}
	d := document(t, r)
	if len(d.Endpoints) != 1 || d.Endpoints[feed].OK.N != 1 || r.Seen() != 1 {
		t.Fatalf("endpoints %+v", d.Endpoints)
	}
	if d.Bytes != (summary.Bytes{Sent: 100, Received: 1000}) {
		t.Errorf("bytes %+v", d.Bytes)
	}
	if d.Generator.Iterations != 1 {
		t.Errorf("generator %+v", d.Generator)
	}
	if lag := decode(t, d.Generator.LagHDR); lag.TotalCount() != 1 || lag.Max() < 2499 || lag.Max() > 2502 {
		t.Errorf("lag: %d values, max %d", lag.TotalCount(), lag.Max())
	}
}

func TestDroppedIterationsAreThoseOfTheMeasuredScenarios(t *testing.T) {
	config := func(phase string) lib.ExecutorConfig {
		c := executor.NewConstantArrivalRateConfig("x")
		c.Tags = map[string]string{"phase": phase}
		return c
	}
	f, r := newFeeder(t), NewRecorder(lib.ScenarioConfigs{"warmup": config("warmup"), "measure": config("measure")})
	for scenario, n := range map[string]float64{"warmup": 100, "measure": 10, "unknown": 2} {
		s := f.sample(f.builtin.DroppedIterations, "", n)
		s.Tags = f.root.With("scenario", scenario)
		add(t, r, s)
	}
	add(t, r, f.sample(f.builtin.DroppedIterations, "", 1)) // the system tag scenario is off
	if n := document(t, r).Generator.Dropped; n != 13 {
		t.Errorf("dropped %d", n)
	}
}

func TestTheWindowIsFirstStartToLastEnd(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	add(t, r, f.trail("measure", feed, "200", "", time.Second, t0.Add(5*time.Second)))
	add(t, r, f.trail("measure", feed, "200", "", 3*time.Second, t0.Add(4*time.Second)))
	d := document(t, r)
	if !d.Started.Equal(t0.Add(time.Second)) || !d.Stopped.Equal(t0.Add(5*time.Second)) {
		t.Errorf("from %s to %s", d.Started, d.Stopped)
	}
}

func TestOutOfRangeDurationsAreClampedNotLost(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	add(t, r, f.trail("measure", feed, "200", "", 2*time.Hour, t0), f.trail("measure", feed, "200", "", -time.Second, t0))
	e := document(t, r).Endpoints[feed]
	if h := decode(t, e.OK.HDR); e.OK.N != 2 || h.Max() < summary.HighestMicros || h.Min() > 1 {
		t.Errorf("n %d, from %d to %d", e.OK.N, h.Min(), h.Max())
	}
}

func TestTooManyNamesIsAnErrorOnce(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	var errs int
	for i := range maxEndpoints + 50 {
		if err := r.Add([]metrics.SampleContainer{f.trail("measure", fmt.Sprint("GET /", i), "200", "", 1, t0)}); err != nil {
			if errs++; !strings.Contains(err.Error(), "name:") {
				t.Errorf("the message names no way out: %v", err)
			}
		}
	}
	if errs != 1 || len(document(t, r).Endpoints) != maxEndpoints {
		t.Errorf("%d errors, %d endpoints", errs, len(r.endpoints))
	}
}

func TestManyTagSetsStayCorrectBeyondTheCache(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	for i := range maxCachedTags + 100 {
		c := f.trail("measure", feed, "200", "", time.Millisecond, t0)
		c.Tags = c.Tags.With("noise", fmt.Sprint(i))
		add(t, r, c, c)
	}
	if n := document(t, r).Endpoints[feed].OK.N; n != 2*(maxCachedTags+100) || len(r.cache) != maxCachedTags {
		t.Errorf("n %d, %d cached", n, len(r.cache))
	}
}

func TestScriptsWithoutResponseCallbackFailByStatus(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	for _, status := range []string{"200", "304", "404", "500", "0"} {
		c := f.trail("measure", feed, status, "", time.Millisecond, t0)
		c.Failed = null.Bool{}
		add(t, r, c)
	}
	if e := document(t, r).Endpoints[feed]; e.OK.N != 2 || e.Failed.N != 3 {
		t.Errorf("ok %d, failed %d", e.OK.N, e.Failed.N)
	}
}

// TestGolden holds the document against the one that platctl's reader is tested with. Histograms are compared by what they
// hold: their compressed bytes may change with the Go release.
func TestGolden(t *testing.T) {
	f, r := newFeeder(t), NewRecorder(nil)
	for i := range 2000 {
		end := t0.Add(time.Duration(i) * 10 * time.Millisecond)
		add(t, r, f.trail("measure", feed, "200", "", time.Duration(1000+i%700)*time.Microsecond, end))
		if i%40 == 0 {
			add(t, r, f.trail("measure", feed, "500", "1500", 200*time.Microsecond, end))
			add(t, r, f.trail("measure", "POST /api/v1/posts", "201", "", 9*time.Millisecond, end))
		}
		add(t, r, f.sample(f.lag, "measure", 0.4), f.sample(f.builtin.Iterations, "measure", 1))
	}
	add(t, r, f.trail("measure", "POST /api/v1/posts", "0", "1212", 0, t0.Add(time.Second)),
		metrics.Samples{f.sample(f.builtin.DataSent, "measure", 210_000), f.sample(f.builtin.DataReceived, "measure", 9_000_000)})
	d := document(t, r)
	d.K6 = "2.2.0"
	d.Generator.CPUs, d.Generator.CPUPercent, d.Generator.PeakPercent, d.Generator.MaxRSS = 2, 7.5, 9.1, 61_000_000

	golden := filepath.Join("..", "..", "testdata", "k6summary-v1.json")
	if *update {
		if err := d.Write(golden); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want summary.Document
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&want); err != nil {
		t.Fatal(err)
	}
	plain(t, d)
	plain(t, &want)
	if !reflect.DeepEqual(d, &want) {
		t.Errorf("the document differs from %s; a change of the format needs a new version or must only add", golden)
	}
}

// plain replaces each histogram by its contents.
func plain(t *testing.T, d *summary.Document) {
	t.Helper()
	text := func(s string) string {
		if s == "" {
			return ""
		}
		return fmt.Sprint(decode(t, s).Export().Counts)
	}
	d.Generator.LagHDR = text(d.Generator.LagHDR)
	for _, e := range d.Endpoints {
		e.OK.HDR, e.Failed.HDR = text(e.OK.HDR), text(e.Failed.HDR)
	}
}

// TestBaselineFileHasTheSameEndpoints reads platctl's golden baseline with this module's types.
func TestBaselineFileHasTheSameEndpoints(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "internal", "perf", "baseline", "testdata", "perf-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Schema string `json:"schema"`
		Runs   []struct {
			Endpoints map[string]summary.Endpoint `json:"endpoints"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if file.Schema != "platctl.perf/v1" || len(file.Runs) == 0 {
		t.Fatalf("schema %s with %d runs", file.Schema, len(file.Runs))
	}
	e := file.Runs[0].Endpoints[feed]
	if e.OK.N != 2000 || e.Failed.N != 50 || decode(t, e.OK.HDR).TotalCount() != e.OK.N {
		t.Errorf("read %+v", e)
	}
}

func BenchmarkRequest(b *testing.B) {
	f, r := newFeeder(b), NewRecorder(nil)
	batch := make([]metrics.SampleContainer, 64)
	for i := range batch {
		batch[i] = f.trail("measure", feed, "200", "", time.Duration(1000+i*37)*time.Microsecond, t0)
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(batch) {
		if err := r.Add(batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIteration is what one iteration of a scenario costs: the request and the samples around it.
func BenchmarkIteration(b *testing.B) {
	f, r := newFeeder(b), NewRecorder(nil)
	m := f.builtin
	batch := []metrics.SampleContainer{
		f.sample(f.lag, "measure", 0.5),
		f.trail("measure", feed, "200", "", 1500*time.Microsecond, t0),
		metrics.Samples{f.sample(m.DataSent, "measure", 100), f.sample(m.DataReceived, "measure", 900)},
		metrics.Samples{f.sample(m.IterationDuration, "measure", 2), f.sample(m.Iterations, "measure", 1)},
	}
	b.ReportAllocs()
	for range b.N {
		if err := r.Add(batch); err != nil {
			b.Fatal(err)
		}
	}
}
