package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/platctl/platctl/internal/base/clientaddr"
)

const (
	dialTimeout = 2 * time.Second
	// A release closes idle connections after a minute or more; the edge gives them up first, so that it never writes a
	// request to a connection that the release is closing.
	upstreamIdle = 20 * time.Second
	// headerTimeout is how long a release may take to begin its answer.
	headerTimeout = 60 * time.Second
)

func newUpstream(app string, to Target) *upstream {
	d := net.Dialer{Timeout: dialTimeout}
	return &upstream{app: app, target: to, transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", to.Socket)
		},
		DisableCompression:    true, // bodies pass as they are
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   512,
		IdleConnTimeout:       upstreamIdle,
		ResponseHeaderTimeout: headerTimeout,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,
	}}
}

// trip is one request on its way through the edge.
type trip struct {
	edge     *Edge
	up       *upstream
	client   context.Context // ends when the client goes away
	trace    string
	badInput atomic.Bool // the client's body could not be read
}

// ServeHTTP implements http.Handler for client requests.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.draining.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	trace, parent := traceOf(r.Header.Get("traceparent"))
	if r.Method == http.MethodConnect {
		writeProblem(w, http.StatusMethodNotAllowed, "method_not_allowed", "the edge is not a forward proxy", trace)
		return
	}
	up := e.table.take(r.Host)
	if up == nil {
		e.unrouted.Add(1)
		writeProblem(w, http.StatusServiceUnavailable, "no_release", "no release is deployed behind this edge", trace)
		return
	}
	t := &trip{edge: e, up: up, client: r.Context(), trace: trace}
	defer t.end()
	proxy := httputil.ReverseProxy{
		Rewrite:        func(pr *httputil.ProxyRequest) { e.rewrite(pr, parent) },
		Transport:      t,
		ModifyResponse: t.answered,
		ErrorHandler:   t.failed,
		BufferPool:     e.buffers,
		ErrorLog:       e.errorLog,
	}
	proxy.ServeHTTP(w, r)
}

// end closes the books of a request. ReverseProxy panics with ErrAbortHandler when an answer breaks off after its head;
// that counts against the release unless the client left.
func (t *trip) end() {
	v := recover()
	if v != nil && t.client.Err() == nil {
		t.up.failed.Add(1)
	}
	t.up.flight.done()
	if v != nil {
		panic(v)
	}
}

// rewrite aims the request at the release. ReverseProxy has dropped hop-by-hop headers and the client's own X-Forwarded
// headers by now: they are claims of a stranger. The client is whom they or a trusted proxy before us name.
func (e *Edge) rewrite(pr *httputil.ProxyRequest, parent string) {
	pr.Out.URL.Scheme, pr.Out.URL.Host = "http", "release"
	pr.Out.URL.RawQuery = pr.In.URL.RawQuery // what is malformed is for the release to refuse
	pr.Out.Host = pr.In.Host
	pr.Out.Header.Del("X-Real-Ip")
	pr.SetXForwarded()
	if client := e.opts.Clients.Of(pr.In); client.IsValid() {
		pr.Out.Header.Set(clientaddr.XForwardedFor, client.String())
	}
	if parent != "" {
		pr.Out.Header.Set("traceparent", parent)
	}
}

// RoundTrip implements http.RoundTripper: to the release in charge, or once to the other warm one when the connection to
// the first could not be opened.
func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req = req.WithContext(req.Context()) // a copy: the caller's request keeps its own body
		req.Body = &heldBody{Reader: req.Body, bad: &t.badInput}
	}
	resp, err := t.up.transport.RoundTrip(req)
	if err == nil || !dialFailed(err) || t.client.Err() != nil {
		return resp, err
	}
	other := t.edge.table.fallback(t.up)
	if other == nil {
		return nil, err
	}
	t.up.failed.Add(1)
	t.up.retried.Add(1)
	t.up.flight.done()
	t.edge.log.Warn("release refused a connection, asked the other one",
		slog.String("release", t.up.target.Release), slog.String("other", other.target.Release), slog.Any("err", err))
	t.up = other
	return other.transport.RoundTrip(req)
}

func (t *trip) answered(resp *http.Response) error {
	if resp.StatusCode >= 500 {
		t.up.failed.Add(1)
	}
	return nil
}

// failed answers for a release that did not.
func (t *trip) failed(w http.ResponseWriter, _ *http.Request, err error) {
	if t.client.Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	if t.badInput.Load() {
		writeProblem(w, http.StatusBadRequest, "bad_body", "the request body could not be read", t.trace)
		return
	}
	t.up.failed.Add(1)
	t.edge.log.Error("release did not answer", slog.String("release", t.up.target.Release),
		slog.String("trace_id", t.trace), slog.Any("err", err))
	var nerr net.Error
	if errors.As(err, &nerr) && nerr.Timeout() && !dialFailed(err) {
		writeProblem(w, http.StatusGatewayTimeout, "release_timeout", "the release took too long to answer", t.trace)
		return
	}
	writeProblem(w, http.StatusBadGateway, "release_unreachable", "the release did not answer", t.trace)
}

func dialFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// heldBody keeps the client's body open when a transport that could not connect closes it, so that the second try can
// still send it. ReverseProxy closes the real one at the end.
type heldBody struct {
	io.Reader
	bad *atomic.Bool
}

// Close implements io.Closer.
func (*heldBody) Close() error { return nil }

// Read implements io.Reader and remembers a failure, which is the client's and not the release's.
func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.bad.Store(true)
	}
	return n, err
}
