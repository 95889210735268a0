package record

import (
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/netext/httpext"
	"go.k6.io/k6/v2/metrics"

	"github.com/platctl/platctl/xk6-ext/internal/script"
	"github.com/platctl/platctl/xk6-ext/internal/summary"
)

const (
	phaseTag      = "phase"
	measured      = "measure"
	maxEndpoints  = 200  // more names than this are URLs that somebody forgot to give a name
	maxCachedTags = 4096 // tag sets; a script that makes more pays a look-up per request, not memory
)

// Recorder counts samples. It is not safe for concurrent use; Output locks.
type Recorder struct {
	endpoints  map[string]*endpoint
	cache      map[*metrics.TagSet]*bucket // k6 interns tag sets, so the pointer is the key
	scenarios  map[string]bool             // names of the measured ones
	lag        *hdr.Histogram
	start, end time.Time
	ok, failed int64
	iterations int64
	dropped    int64
	sent, rcvd int64
	tooMany    bool
}

// endpoint is one name. The failed histogram exists only when something failed: 139 KB for most endpoints saved.
type endpoint struct {
	ok, failed *hdr.Histogram
	byStatus   map[string]*int64
	byError    map[string]*int64
}

// bucket is where the requests of one tag set go; nil endpoint: not measured.
type bucket struct {
	ep        *endpoint
	status    *int64
	errorCode *int64 // nil without error
	badStatus bool   // for scripts without a response callback
}

// NewRecorder returns an empty recorder for the scenarios of a test.
func NewRecorder(configs lib.ScenarioConfigs) *Recorder {
	r := &Recorder{
		endpoints: map[string]*endpoint{}, cache: map[*metrics.TagSet]*bucket{}, lag: summary.NewHistogram(),
		scenarios: map[string]bool{},
	}
	for name, c := range configs {
		r.scenarios[name] = c.GetTags()[phaseTag] == measured
	}
	return r
}

// Add counts containers. It returns an error once: when there are more names than an API can have routes.
func (r *Recorder) Add(containers []metrics.SampleContainer) error {
	before := r.tooMany
	for _, c := range containers {
		if t, ok := c.(*httpext.Trail); ok {
			r.request(t)
			continue
		}
		for _, s := range c.GetSamples() {
			r.other(s)
		}
	}
	if r.tooMany && !before {
		return fmt.Errorf("more than %d endpoint names: tag every request with its route, tags: { name: 'GET /things/{id}' }", maxEndpoints)
	}
	return nil
}

// Seen returns how many requests were measured so far.
func (r *Recorder) Seen() int64 { return r.ok + r.failed }

// request counts one HTTP request: the typed fast path, without a loop over its nine samples.
func (r *Recorder) request(t *httpext.Trail) {
	b := r.bucketOf(t.Tags)
	if b == nil || b.ep == nil {
		return
	}
	*b.status++
	if b.errorCode != nil {
		*b.errorCode++
	}
	failed := b.badStatus
	if t.Failed.Valid {
		failed = t.Failed.Bool
	}
	micros := t.Duration.Microseconds()
	if failed {
		r.failed++
		if b.ep.failed == nil {
			b.ep.failed = summary.NewHistogram()
		}
		record(b.ep.failed, micros)
	} else {
		r.ok++
		record(b.ep.ok, micros)
	}
	if began := t.EndTime.Add(-t.Duration); r.start.IsZero() || began.Before(r.start) {
		r.start = began
	}
	if t.EndTime.After(r.end) {
		r.end = t.EndTime
	}
}

func (r *Recorder) other(s metrics.Sample) {
	switch s.Metric.Name {
	case metrics.DroppedIterationsName:
		r.drop(s)
		return
	case metrics.IterationsName, metrics.DataSentName, metrics.DataReceivedName, script.LagMetric:
	default:
		return
	}
	if phase, _ := s.Tags.Get(phaseTag); phase != measured {
		return
	}
	switch s.Metric.Name {
	case metrics.IterationsName:
		r.iterations += int64(s.Value)
	case metrics.DataSentName:
		r.sent += int64(s.Value)
	case metrics.DataReceivedName:
		r.rcvd += int64(s.Value)
	case script.LagMetric:
		record(r.lag, int64(s.Value*1000))
	}
}

// drop counts a dropped iteration. k6 gives it the system tag scenario (when that is on), but not the scenario's own tags;
// one of unknown origin counts, because a missed one would make an invalid run look valid.
func (r *Recorder) drop(s metrics.Sample) {
	name, tagged := s.Tags.Get("scenario")
	if known, listed := r.scenarios[name]; !tagged || !listed || known {
		r.dropped += int64(s.Value)
	}
}

// record clamps to the histogram's range: a duration over 60 s is the highest value, not a lost one.
func record(h *hdr.Histogram, micros int64) {
	_ = h.RecordValue(min(max(micros, 0), summary.HighestMicros)) // can't fail inside the range
}

func (r *Recorder) bucketOf(tags *metrics.TagSet) *bucket {
	if b, ok := r.cache[tags]; ok {
		return b
	}
	b := r.makeBucket(tags)
	if len(r.cache) < maxCachedTags {
		r.cache[tags] = b
	}
	return b
}

func (r *Recorder) makeBucket(tags *metrics.TagSet) *bucket {
	if phase, _ := tags.Get(phaseTag); phase != measured {
		return &bucket{}
	}
	name, _ := tags.Get("name")
	ep := r.endpoints[name]
	if ep == nil {
		if len(r.endpoints) >= maxEndpoints {
			r.tooMany = true
			return &bucket{}
		}
		ep = &endpoint{ok: summary.NewHistogram(), byStatus: map[string]*int64{}, byError: map[string]*int64{}}
		r.endpoints[name] = ep
	}
	status, _ := tags.Get("status")
	b := &bucket{ep: ep, status: counter(ep.byStatus, status), badStatus: len(status) != 3 || status >= "400"}
	if code, ok := tags.Get("error_code"); ok && code != "" {
		b.errorCode = counter(ep.byError, code)
	}
	return b
}

func counter(m map[string]*int64, key string) *int64 {
	if key == "" {
		key = "unknown"
	}
	if m[key] == nil {
		m[key] = new(int64)
	}
	return m[key]
}

// Document returns what was counted; the generator's load is the caller's to add.
func (r *Recorder) Document() (*summary.Document, error) {
	d := newDocument()
	d.Started, d.Stopped = r.start.UTC(), r.end.UTC()
	d.Bytes = summary.Bytes{Sent: r.sent, Received: r.rcvd}
	d.Generator.Iterations, d.Generator.Dropped = r.iterations, r.dropped
	var err error
	if d.Generator.LagHDR, err = summary.EncodeHistogram(r.lag); err != nil {
		return nil, err
	}
	for name, ep := range r.endpoints {
		e := &summary.Endpoint{ByStatus: counts(ep.byStatus), ByError: counts(ep.byError)}
		if e.OK, err = outcome(ep.ok); err != nil {
			return nil, err
		}
		if e.Failed, err = outcome(ep.failed); err != nil {
			return nil, err
		}
		d.Endpoints[name] = e
	}
	return d, nil
}

func outcome(h *hdr.Histogram) (summary.Outcome, error) {
	text, err := summary.EncodeHistogram(h)
	if err != nil || text == "" {
		return summary.Outcome{}, err
	}
	return summary.Outcome{N: h.TotalCount(), HDR: text}, nil
}

func counts(m map[string]*int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for k, n := range m {
		out[k] = *n
	}
	return out
}
