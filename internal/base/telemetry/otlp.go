package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/platctl/platctl/internal/base/breaker"
	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/fault"
)

// Traces is the recording of spans. Its zero value is recording turned off.
type Traces struct {
	Tracer    Tracer
	Collector *breaker.Breaker // around the service that takes the spans; nil when recording is off
	provider  *sdktrace.TracerProvider
}

// Tracing turns recording on where the standard OTEL_* environment asks for it: an OTLP endpoint, unless OTEL_SDK_DISABLED
// is true or OTEL_TRACES_EXPORTER is none. Sampler, headers, timeouts and resource are read by the SDK under their
// standard names. Spans are exported in the background; a collector that is away costs nothing but the spans: after three
// batches in a row it is left alone but for one try every half minute.
func Tracing(ctx context.Context, lookup func(string) (string, bool), b build.Info, log *slog.Logger) (Traces, error) {
	if !wanted(lookup) {
		return Traces{}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return Traces{}, fault.Wrap(err, fault.Config, "the OTLP exporter can't be made; check the OTEL_EXPORTER_OTLP_* variables")
	}
	res, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("platctl"), semconv.ServiceVersion(b.Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return Traces{}, fault.Op("describe this process to OpenTelemetry", err)
	}
	collector := breaker.New("traces", breaker.After(3), breaker.Pause(30*time.Second), breaker.Log(log))
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(guarded{exporter, collector, log}), sdktrace.WithResource(res))
	log.Info("tracing", "exporter", "otlp")
	return Traces{Tracer: Tracer{p.Tracer("platctl")}, Collector: collector, provider: p}, nil
}

// guarded exports through a breaker. It returns no error: the SDK would print it, unstructured, through a global handler.
type guarded struct {
	sdktrace.SpanExporter
	breaker *breaker.Breaker
	log     *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (g guarded) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := g.breaker.Do(ctx, func(ctx context.Context) error { return g.SpanExporter.ExportSpans(ctx, spans) })
	if err != nil && g.breaker.State() == breaker.Closed { // else the breaker has told it
		g.log.Warn("spans are lost", "spans", len(spans), "error", err)
	}
	return nil
}

func wanted(lookup func(string) (string, bool)) bool {
	get := func(name string) string { v, _ := lookup(name); return v }
	if get("OTEL_SDK_DISABLED") == "true" || get("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Queries returns what records a span for every query, or nil when recording is off. Parameters are never recorded.
func (t Traces) Queries() pgx.QueryTracer {
	if t.provider == nil {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider))
}

// Shutdown sends what is still waiting, as long as ctx allows.
func (t Traces) Shutdown(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return fault.Op("flush traces", t.provider.Shutdown(ctx))
}
