package main

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// callHooks make the span of a call, with what was said to the switch and heard from it.
// Numbers, names, digits and texts are in none of the spans: they get what is masked.
func callHooks(tracer trace.Tracer) *freeswitch.Trace {
	line := func(kind string) func(context.Context, freeswitch.TracedLine) {
		return func(ctx context.Context, l freeswitch.TracedLine) {
			trace.SpanFromContext(ctx).AddEvent(kind+" "+l.Name, trace.WithAttributes(attribute.String("freeswitch.arguments", l.Masked)))
		}
	}
	return &freeswitch.Trace{
		Call: func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
			ctx, span := tracer.Start(ctx, "call", trace.WithSpanKind(trace.SpanKindServer))
			if !span.IsRecording() {
				return ctx, nil // not sampled: nobody traces this one
			}
			return ctx, func(end freeswitch.TracedEnd) {
				span.SetAttributes(ending(end.Outcome, end.Reason)...)
				if end.Cause != "" {
					span.SetAttributes(attribute.String("freeswitch.hangup_cause", end.Cause))
				}
				span.End()
			}
		},
		Known: func(ctx context.Context, call freeswitch.TracedCall) {
			trace.SpanFromContext(ctx).SetAttributes(callID(call.Call.ExternalCallID),
				attribute.String("deflect.profile", call.Profile), attribute.Bool("deflect.waits", call.Waits))
		},
		Command: line("command"),
		Event:   line("event"),
	}
}

// textHooks make spans, inside of that of a call, of what becomes of the text.
func textHooks(tracer trace.Tracer) *deflect.Trace {
	// Of a call that is not sampled there are none inside either.
	begin := func(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span, bool) {
		ctx, span := tracer.Start(ctx, name, options...)
		return ctx, span, span.IsRecording()
	}
	end := func(span trace.Span, outcome deflect.Outcome, reason deflect.Reason) {
		span.SetAttributes(ending(outcome, reason)...)
		if outcome == deflect.Failed || outcome == deflect.Uncertain {
			span.SetStatus(codes.Error, string(reason))
		}
		span.End()
	}
	return &deflect.Trace{
		Offer: func(ctx context.Context, _ *deflect.Call) (context.Context, func(*deflect.Offer, error)) {
			ctx, span, traced := begin(ctx, "offer")
			if !traced {
				return ctx, nil
			}
			return ctx, func(_ *deflect.Offer, err error) {
				span.SetAttributes(attribute.Bool("deflect.offered", err == nil), attribute.String("deflect.reason", string(deflect.ReasonOf(err))))
				span.End()
			}
		},
		Deflect: func(ctx context.Context, _ *deflect.Call) (context.Context, func(deflect.Result, error)) {
			ctx, span, traced := begin(ctx, "deflect")
			if !traced {
				return ctx, nil
			}
			return ctx, func(r deflect.Result, _ error) { end(span, r.Outcome, r.Reason) }
		},
		Later: func(ctx context.Context, call *deflect.Call, tries int) (context.Context, func(deflect.Result, error)) {
			// A trace of its own: its call has ended long ago, and has the same deflect.call_id.
			ctx, span, traced := begin(ctx, "text that waited", trace.WithNewRoot(),
				trace.WithAttributes(callID(call.ExternalCallID), attribute.Int("deflect.tries", tries)))
			if !traced {
				return ctx, nil
			}
			return ctx, func(r deflect.Result, _ error) { end(span, r.Outcome, r.Reason) }
		},
		Verdict: func(ctx context.Context, v deflect.Verdict) {
			trace.SpanFromContext(ctx).AddEvent("rule "+v.Rule, trace.WithAttributes(
				attribute.String("deflect.answer", string(v.Answer)), attribute.String("deflect.reason", string(v.Reason))))
		},
		Attempt: func(ctx context.Context, _ *deflect.Text) (context.Context, func(deflect.Attempt)) {
			ctx, span, traced := begin(ctx, "attempt")
			if !traced {
				return ctx, nil
			}
			ctx, request := requestSpan(ctx, tracer)
			return ctx, func(a deflect.Attempt) {
				request(a.Status)
				end(span, a.Outcome, a.Reason)
			}
		},
		Settled: func(s deflect.Settlement) {
			_, span := tracer.Start(context.Background(), "text in doubt", trace.WithTimestamp(time.Now().Add(-s.Took)),
				trace.WithAttributes(callID(s.ExternalCallID), attribute.String("deflect.settled", string(s.Result)), attribute.Int("deflect.lookups", s.Lookups)))
			span.End()
		},
	}
}

// requestSpan makes a span of the HTTP request in an attempt, if it comes to one. It hears
// of that through the context, and so needs no transport of its own. End ends it.
func requestSpan(ctx context.Context, tracer trace.Tracer) (inside context.Context, end func(status int)) {
	var (
		mu   sync.Mutex // net/http calls from several goroutines
		span trace.Span
	)
	event := func(name string, attributes ...attribute.KeyValue) {
		mu.Lock()
		defer mu.Unlock()
		if span != nil {
			span.AddEvent(name, trace.WithAttributes(attributes...))
		}
	}
	inside = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(hostPort string) {
			mu.Lock()
			defer mu.Unlock()
			if span == nil {
				_, span = tracer.Start(ctx, "POST", trace.WithSpanKind(trace.SpanKindClient),
					trace.WithAttributes(attribute.String("http.request.method", "POST"), attribute.String("server.address", hostPort)))
			}
		},
		GotConn:              func(c httptrace.GotConnInfo) { event("connected", attribute.Bool("reused", c.Reused)) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { event("request written") },
		GotFirstResponseByte: func() { event("answer begins") },
	})
	return inside, func(status int) {
		mu.Lock()
		defer mu.Unlock()
		if span == nil {
			return // it did not come so far
		}
		if status > 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		if status == 0 || status >= 400 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
		span = nil
	}
}

func ending(outcome deflect.Outcome, reason deflect.Reason) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("deflect.outcome", string(outcome)), attribute.String("deflect.reason", string(reason))}
}

// callID is the id of a call as the log shows it.
func callID(id string) attribute.KeyValue {
	return attribute.String("deflect.call_id", deflect.LogID(id))
}
