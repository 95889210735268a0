package telemetry

import (
	"context"
	"errors"
	"log/slog"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/platctl/platctl/internal/base/build"
	"github.com/platctl/platctl/internal/base/fault"
)

// Traces is the recording of spans. Its zero value is recording turned off.
type Traces struct {
	Tracer   Tracer
	provider *sdktrace.TracerProvider
}

// Tracing turns recording on where the standard OTEL_* environment asks for it: an OTLP endpoint, unless OTEL_SDK_DISABLED
// is true or OTEL_TRACES_EXPORTER is none. Sampler, headers, timeouts and resource are read by the SDK under their
// standard names. Spans are exported in the background; a collector that is away costs nothing but the spans.
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
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	log.Info("tracing", "exporter", "otlp")
	return Traces{Tracer: Tracer{p.Tracer("platctl")}, provider: p}, nil
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
