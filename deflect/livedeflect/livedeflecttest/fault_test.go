package livedeflecttest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// ending is how an exchange ends for the client.
type ending int

const (
	answered     ending = iota
	wasReset            // the request failed with a reset connection
	gaveUp              // the client's context ended first
	cutShort            // the body ended too early
	gaveUpInBody        // the client's context ended while it read the body
)

const okBody = `{"callId":"473513","success":"true"}`

var faultCases = []struct {
	name   string
	fault  Fault
	sent   bool
	ends   ending
	status int
	body   string
	header [2]string
}{
	{name: "none", sent: true, status: 200, body: okBody},
	{name: "reset before", fault: Fault{ResetBefore: true}, ends: wasReset},
	{name: "hang", fault: Fault{Hang: true}, ends: gaveUp},
	{name: "redirect", fault: Fault{Redirect: "https://example.com/"}, status: 307, header: [2]string{"Location", "https://example.com/"}},
	{name: "redirect with status", fault: Fault{Redirect: "/x", Status: 301}, status: 301, header: [2]string{"Location", "/x"}},
	{name: "status", fault: Fault{Status: 500}, status: 500, body: `{"error":"Internal Server Error"}`},
	{name: "status with body", fault: Fault{Status: 503, Body: "busy, sorry"}, status: 503, body: "busy, sorry"},
	{
		name: "status with retry-after", fault: Fault{Status: 429, RetryAfter: "1"},
		status: 429, body: `{"error":"Too Many Requests"}`, header: [2]string{"Retry-After", "1"},
	},
	{name: "status without body", fault: Fault{Status: 204}, status: 204},
	{name: "status cut", fault: Fault{Status: 500, Truncate: true}, ends: cutShort, status: 500, body: `{"error":"Intern`},
	{name: "status after", fault: Fault{Status: 502, StatusAfterProcessing: true}, sent: true, status: 502, body: `{"error":"Bad Gateway"}`},
	{
		name: "invalid nonce", fault: Fault{InvalidNonce: true},
		status: 401, body: `{"error":"Invalid Nonce - Nonce has been previously used"}`,
	},
	{
		name: "delivered twice", fault: Fault{DeliveredTwice: true}, sent: true,
		status: 401, body: `{"error":"Invalid Nonce - Nonce has been previously used"}`,
	},
	{name: "success false", fault: Fault{SuccessFalse: true}, status: 200, body: `{"success":"false","message":"{}"}`},
	{name: "success false as bool", fault: Fault{SuccessFalse: true, SuccessBool: true}, status: 200, body: `{"success":false,"message":"{}"}`},
	{name: "success as bool", fault: Fault{SuccessBool: true}, sent: true, status: 200, body: `{"callId":"473513","success":true}`},
	{name: "hang after", fault: Fault{HangAfterProcessing: true}, sent: true, ends: gaveUp},
	{
		name: "hang in the body", fault: Fault{HangAfterProcessing: true, Truncate: true},
		sent: true, ends: gaveUpInBody, status: 200, body: `{"callId":"473513"`,
	},
	{name: "reset after", fault: Fault{ResetAfter: true}, sent: true, ends: wasReset},
	{name: "garbage", fault: Fault{Garbage: true}, sent: true, status: 200, body: "<html>{\"callId\":\xff\x00 is not for you"},
	{name: "truncate", fault: Fault{Truncate: true}, sent: true, ends: cutShort, status: 200, body: `{"callId":"473513"`},
	{name: "body", fault: Fault{Body: "{}"}, sent: true, status: 200, body: "{}"},
	{name: "short delay", fault: Fault{Delay: time.Millisecond}, sent: true, status: 200, body: okBody},
	{name: "long delay", fault: Fault{Delay: time.Hour}, sent: true, ends: gaveUp},
	{name: "long delay, then reset before", fault: Fault{Delay: time.Hour, ResetBefore: true}, ends: gaveUp},
	{name: "first decides", fault: Fault{ResetBefore: true, Hang: true, Status: 500, ResetAfter: true}, ends: wasReset},
}

// checkFault compares what the client and the double saw with a case.
func checkFault(t *testing.T, i int, s *Server, got result, gaveUpWith error) {
	t.Helper()
	tt := faultCases[i]
	wantErr, wantBodyErr := error(nil), error(nil)
	switch tt.ends {
	case wasReset:
		wantErr = syscall.ECONNRESET
	case gaveUp:
		wantErr = gaveUpWith
	case cutShort:
		wantBodyErr = io.ErrUnexpectedEOF
	case gaveUpInBody:
		wantBodyErr = gaveUpWith
	}
	if !errors.Is(got.err, wantErr) || !errors.Is(got.bodyErr, wantBodyErr) {
		t.Errorf("got errors %v and %v, want %v and %v", got.err, got.bodyErr, wantErr, wantBodyErr)
	}
	if got.status != tt.status || got.body != tt.body {
		t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
	}
	if tt.header[0] != "" && got.header.Get(tt.header[0]) != tt.header[1] {
		t.Errorf("got headers %v, want %v", got.header, tt.header)
	}

	sent, requests := s.Sent(), s.Requests()
	if (len(sent) == 1) != tt.sent || len(sent) > 1 {
		t.Errorf("got %d texts, want sent %t", len(sent), tt.sent)
	}
	if len(requests) != 1 {
		t.Fatalf("got %d requests, want 1", len(requests))
	}
	r := requests[0]
	if r.Processed != tt.sent || (r.CallID == "473513") != tt.sent || r.Fault != tt.fault.String() || r.ExternalCallID != "1231" {
		t.Errorf("got record %+v", r)
	}
	if got.status != 0 && r.Status != got.status {
		t.Errorf("got status %d in the record, the client saw %d", r.Status, got.status)
	}
	if tt.sent && (sent[0].CallID != r.CallID || !sent[0].Time.Equal(r.Time)) {
		t.Errorf("text %+v and record %+v do not belong together", sent[0], r)
	}
}

func TestFaultsInMemory(t *testing.T) {
	t.Parallel()
	for i, tt := range faultCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				s := New(testConfig())
				s.Inject(tt.fault)
				start := time.Now()
				got := send(inMemory(s), request(t, ctx, s, testBody(t, nil)))
				checkFault(t, i, s, got, context.DeadlineExceeded)

				took := time.Duration(0)
				switch {
				case tt.ends == gaveUp || tt.ends == gaveUpInBody:
					took = 4 * time.Second
				case tt.fault.Delay != 0:
					took = tt.fault.Delay
				}
				if d := time.Since(start); d != took {
					t.Errorf("it took %v, want %v", d, took)
				}
				s.Inject(Fault{})
				wantNext := 473513
				if tt.sent {
					wantNext++
				}
				wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))), wantNext)
			})
		})
	}
}

func TestFaultsOverSocket(t *testing.T) {
	t.Parallel()
	for i, tt := range faultCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := testConfig()
			if tt.ends == gaveUp {
				// The double has judged the request: this client waits no more.
				cfg.Logger = slog.New(onLog(func(slog.Record) { cancel() }))
			}
			s := RunT(t, cfg)
			s.Inject(tt.fault)
			resp, err := overSocket(t).Do(request(t, ctx, s, testBody(t, nil)))
			got := result{err: err}
			if err == nil {
				defer resp.Body.Close()
				got.status, got.header = resp.StatusCode, resp.Header
				if tt.ends == gaveUpInBody {
					half := make([]byte, len(tt.body))
					io.ReadFull(resp.Body, half)
					got.body = string(half)
					cancel()
				}
				rest, err := io.ReadAll(resp.Body)
				got.body, got.bodyErr = got.body+string(rest), err
			}
			checkFault(t, i, s, got, context.Canceled)
		})
	}
}

// A client's mistake stays visible when a fault answers in its place, and a
// fault that strikes after processing sends nothing for a request that is
// refused.
func TestFaultDoesNotHideAMistake(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{
		{Status: 500},
		{Status: 502, StatusAfterProcessing: true},
		{ResetBefore: true},
		{ResetAfter: true},
		{Garbage: true},
		{Truncate: true},
		{InvalidNonce: true},
		{SuccessFalse: true},
	} {
		s := New(testConfig())
		s.Inject(fault)
		send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"skill": nil})))
		if got := s.Requests(); len(got) != 1 || got[0].Reason != "skill is required" || got[0].Processed {
			t.Errorf("%s: got %+v", fault, got)
		}
		if len(s.Sent()) != 0 {
			t.Errorf("%s: got %v, want nothing sent", fault, s.Sent())
		}
	}
}

// Whoever tries again after any fault has to sign anew.
func TestFaultBurnsTheNonce(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{{Status: 429}, {InvalidNonce: true}, {ResetBefore: true}, {ResetAfter: true}} {
		s := New(testConfig())
		s.Inject(fault)
		first := request(t, t.Context(), s, testBody(t, nil))
		send(inMemory(s), first)
		again := request(t, t.Context(), s, testBody(t, nil))
		again.Header.Set("Authorization", first.Header.Get("Authorization"))
		wantRefusal(t, send(inMemory(s), again), http.StatusUnauthorized, double.ReasonNonce)
	}
}

func TestInjectAndSetFault(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	standing := Fault{Status: 503}
	s.SetFault(&standing)
	standing.Status = 504 // the double has its own copy
	s.Inject(Fault{Status: 500}, Fault{})
	s.Inject(Fault{Status: 502})
	for i, want := range []int{500, 200, 502, 503, 503} {
		if got := send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))); got.status != want {
			t.Errorf("request %d: got %+v, want status %d", i, got, want)
		}
	}
	s.SetFault(nil)
	wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))), 473514)
	if got := len(s.Sent()); got != 2 {
		t.Errorf("got %d texts, want 2", got)
	}
}
