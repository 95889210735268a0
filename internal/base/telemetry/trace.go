// Package telemetry is how a running platctl is seen: trace ids, spans, structured logs and metrics.
//
// Invariants: everything is returned, nothing is global; a log line written with a request's context carries its trace id;
// every request has a trace id, also when no spans are recorded.
package telemetry

import (
	"context"
	"crypto/rand"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracer begins the span of a request. The zero value records nothing and only gives out trace ids, which costs two
// random numbers; make one that records with Tracing.
type Tracer struct{ tracer trace.Tracer }

// Request returns ctx with the trace that the caller began (W3C traceparent), or with a new one, and the function that
// ends the request's span.
func (t Tracer) Request(r *http.Request, route string) (ctx context.Context, end func(status int)) {
	ctx = propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if t.tracer == nil {
		return withTraceID(ctx), func(int) {}
	}
	ctx, span := t.tracer.Start(ctx, r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.HTTPRoute(route), semconv.URLPath(r.URL.Path)))
	return ctx, func(status int) {
		if span.IsRecording() {
			span.SetAttributes(attribute.Int(string(semconv.HTTPResponseStatusCodeKey), status))
			if status >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, http.StatusText(status))
			}
		}
		span.End()
	}
}

// WithTrace returns ctx with the trace of h, or with a new one, and records nothing.
func WithTrace(ctx context.Context, h http.Header) context.Context {
	return withTraceID(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h)))
}

func withTraceID(ctx context.Context) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	cfg := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags()}
	if !parent.HasTraceID() {
		_, _ = rand.Read(cfg.TraceID[:]) // never fails: crypto/rand aborts the process instead
	}
	_, _ = rand.Read(cfg.SpanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(cfg))
}

// Resume returns ctx with the trace whose id was kept as TraceID gave it, or with a new one when it is none.
func Resume(ctx context.Context, traceID string) context.Context {
	id, err := trace.TraceIDFromHex(traceID)
	if err == nil {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id}))
	}
	return withTraceID(ctx)
}

// TraceID returns the trace id of ctx as 32 hex digits; zeros outside a request.
func TraceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }
