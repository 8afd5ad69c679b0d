// Command otel serves FreeSWITCH's calls as deflectd does, and makes a trace of OpenTelemetry
// of each: what was said to the switch, which rules were asked, and the request to the API.
//
//	DEFLECT_KEY=... DEFLECT_SECRET=... DEFLECT_TOKEN=... DEFLECT_TOKEN_SECRET=... \
//		OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 go run . 127.0.0.1:8084
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

func main() {
	tell := flag.Bool("traceparent", false, "tell LivePerson the id of the trace, in each request")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: otel [-traceparent] ADDRESS")
		os.Exit(2)
	}
	cfg := livedeflect.Config{
		SiteID: "38856538",
		Domain: "va",
		Auth: liveperson.OAuth1{
			ConsumerKey:    os.Getenv("DEFLECT_KEY"),
			ConsumerSecret: deflect.NewSecret(os.Getenv("DEFLECT_SECRET")),
			Token:          os.Getenv("DEFLECT_TOKEN"),
			TokenSecret:    deflect.NewSecret(os.Getenv("DEFLECT_TOKEN_SECRET")),
		},
	}
	if *tell {
		cfg.Transport = telling{liveperson.NewTransport()}
	}
	if err := listenAndRun(cfg, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listenAndRun(cfg livedeflect.Config, address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ln, err := freeswitch.Listen(address)
	if err != nil {
		return err
	}
	return run(ctx, cfg, ln)
}

// run serves calls until ctx ends, and the calls that are in progress then have ended.
func run(ctx context.Context, cfg livedeflect.Config, ln net.Listener) error {
	// Where spans go, how many calls are sampled, and more: the variables OTEL_* of the
	// environment say so.
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "deflect")), resource.WithFromEnv())
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	// What the last calls did goes out at the end, also when ctx is the reason for it.
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(last); err != nil {
			fmt.Fprintln(os.Stderr, "spans are lost:", err)
		}
	}()
	tracer := provider.Tracer("github.com/ivrdeflect/ivrdeflect/examples/otel")

	api, err := livedeflect.New(cfg)
	if err != nil {
		return err
	}
	defer api.Close()
	client, err := deflect.New(deflect.Config{Backend: api, Trace: textHooks(tracer)})
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := freeswitch.New(freeswitch.Config{
		Client:   client,
		Profiles: []freeswitch.Profile{{Name: "sales", Skill: "sales", Text: "Thanks for calling. Reply here."}},
		Trace:    callHooks(tracer),
	})
	if err != nil {
		return err
	}
	if err := server.Serve(ctx, ln); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// telling is a transport that tells the vendor the id of the trace. With any transport but
// its own, livedeflect can prove less often that nothing was sent: more texts are uncertain.
type telling struct{ http.RoundTripper }

func (t telling) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a transport may not change the request
	propagation.TraceContext{}.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	return t.RoundTripper.RoundTrip(r)
}
