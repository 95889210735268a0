// Package telemetry is how a running platctl is seen: trace ids, structured logs and metrics.
//
// Invariants: everything is returned, nothing is global; a log line written with a request's context carries its trace id.
package telemetry

import (
	"context"
	"crypto/rand"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// WithTrace returns ctx with the trace that the caller began (W3C traceparent), or with a new one.
func WithTrace(ctx context.Context, h http.Header) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
	parent := trace.SpanContextFromContext(ctx)
	cfg := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: parent.TraceFlags()}
	if !parent.HasTraceID() {
		_, _ = rand.Read(cfg.TraceID[:]) // never fails: crypto/rand aborts the process instead
	}
	_, _ = rand.Read(cfg.SpanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(cfg))
}

// TraceID returns the trace id of ctx as 32 hex digits; zeros outside a request.
func TraceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }
