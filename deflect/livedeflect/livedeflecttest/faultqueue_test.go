package livedeflecttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const emptyReport = `{"success":"true","data":{}}`

func TestReportFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		fault   Fault
		big     int
		status  int
		body    string
		err     error
		bodyErr error
	}{
		{name: "none", status: 200, body: emptyReport},
		{name: "garbage", fault: Fault{Garbage: true}, status: 200, body: "<html>{\"callId\":\xff\x00 is not for you"},
		{name: "garbage for a big one", fault: Fault{Garbage: true}, big: 100, status: 200, body: "<html>{\"callId\":\xff\x00 is not for you"},
		{name: "truncate", fault: Fault{Truncate: true}, status: 200, body: emptyReport[:len(emptyReport)/2], bodyErr: io.ErrUnexpectedEOF},
		{name: "success false", fault: Fault{SuccessFalse: true}, status: 200, body: `{"success":"false","message":"{}"}`},
		{name: "success false for a big one", fault: Fault{SuccessFalse: true}, big: 100, status: 200, body: `{"success":"false","message":"{}"}`},
		{name: "success bool", fault: Fault{SuccessBool: true}, status: 200, body: `{"success":true,"data":{}}`},
		{name: "body", fault: Fault{Body: "[]"}, status: 200, body: "[]"},
		{name: "body for a big one", fault: Fault{Body: "[]"}, big: 100, status: 200, body: "[]"},
		{name: "delay", fault: Fault{Delay: time.Second}, status: 200, body: emptyReport},
		{name: "long delay", fault: Fault{Delay: time.Minute}, big: 100, err: context.DeadlineExceeded},
		{name: "retry later", fault: Fault{Status: 429, RetryAfter: "1"}, status: 429, body: `{"error":"Too Many Requests"}`},
		{name: "status after", fault: Fault{Status: 502, StatusAfterProcessing: true}, big: 100, status: 502, body: `{"error":"Bad Gateway"}`},
		{name: "invalid nonce", fault: Fault{InvalidNonce: true}, status: 401, body: `{"error":"` + double.ReasonNonce + `"}`},
		{name: "redirect", fault: Fault{Redirect: "/x"}, status: 307},
		{name: "no text", fault: Fault{NoText: true}, status: 200, body: emptyReport},
		{name: "reset before", fault: Fault{ResetBefore: true}, err: syscall.ECONNRESET},
		{name: "reset after", fault: Fault{ResetAfter: true}, big: 100, err: syscall.ECONNRESET},
		{name: "refused", fault: Fault{ConnRefused: true}, err: syscall.ECONNREFUSED},
		{name: "hang", fault: Fault{Hang: true}, err: context.DeadlineExceeded},
		{name: "hang after", fault: Fault{HangAfterProcessing: true}, big: 100, err: context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(testConfig())
				s.SetReport(Report{Big: tt.big})
				s.InjectReport(tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				start := time.Now()
				got := send(inMemory(s), askBig(t, s).WithContext(ctx))
				if !errors.Is(got.err, tt.err) || !errors.Is(got.bodyErr, tt.bodyErr) || got.status != tt.status || got.body != tt.body {
					t.Errorf("got %+v", got)
				}
				if got.status != 0 && (got.header.Get("Retry-After") != tt.fault.RetryAfter || time.Since(start) != tt.fault.Delay) {
					t.Errorf("got %v after %v", got.header, time.Since(start))
				}
				for _, r := range s.Requests() {
					if r.Path != pathReport || r.Fault != tt.fault.String() || r.Processed || r.CallID != "" {
						t.Errorf("got record %+v", r)
					}
				}
			})
		})
	}
}

// A call's faults and a report's do not get in each other's way.
func TestFaultsOfTwoKinds(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.BaseURL = "https://api.example.com/below/"
	s := New(cfg)
	s.SetFault(&Fault{Status: 500})
	s.SetReportFault(&Fault{Status: 501})
	s.Inject(Fault{Status: 502}, Fault{Status: 503})
	s.InjectReport(Fault{Status: 504})
	for i, want := range []struct{ report, invite int }{{504, 502}, {501, 503}, {501, 500}} {
		if got := send(inMemory(s), askBig(t, s)); got.status != want.report {
			t.Errorf("report %d: got %d, want %d", i, got.status, want.report)
		}
		if got := send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))); got.status != want.invite {
			t.Errorf("text %d: got %d, want %d", i, got.status, want.invite)
		}
	}
	s.Inject(Fault{Status: 505})
	if got := send(inMemory(s), post(t, t.Context(), s, "/elsewhere", "")); got.status != 505 {
		t.Errorf("elsewhere: got %d, want 505", got.status)
	}
	s.SetReportFault(nil)
	if got := send(inMemory(s), askBig(t, s)); got.body != emptyReport {
		t.Errorf("got %+v", got)
	}
}

func TestNoText(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Report.Conversation = func(Deflection) (time.Duration, bool) { return 0, true }
	s := New(cfg)
	s.Inject(Fault{NoText: true})
	wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"externalCallId": "a"}))), 473513)
	wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"externalCallId": "b"}))), 473514)
	if sent := s.Sent(); len(sent) != 1 || sent[0].ExternalCallID != "b" {
		t.Errorf("got %+v, want the second one only", sent)
	}
	if r := s.Requests()[0]; r.Processed || r.CallID != "473513" || r.Fault != "no-text" || r.Reason != "" {
		t.Errorf("got record %+v", r)
	}
	got := kinds(t, send(inMemory(s), askBig(t, s)))
	if want := "a: " + untilAccept + "\nb: " + untilReply; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	s.Inject(Fault{NoText: true})
	wantRefusal(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"skill": nil}))), 400, "skill is required")
}

func TestReportLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := testConfig()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := New(cfg)
	for range 2 {
		send(inMemory(s), request(t, t.Context(), s, testBody(t, nil)))
	}
	s.InjectReport(Fault{}, Fault{Garbage: true})
	for range 2 {
		send(inMemory(s), askBig(t, s))
	}
	send(inMemory(s), ask(t, s, "1", "2"))
	s.SetReport(Report{Big: 13})
	send(inMemory(s), askBig(t, s))
	for _, want := range []string{
		`level=DEBUG msg="request answered" status=200 reason="" fault="" call_id="" path=/api/getLiveDeflectData/v2 calls=2 events=10`,
		`fault=garbage call_id="" path=/api/getLiveDeflectData/v2 calls=0 events=0`,
		`level=WARN msg="request answered" status=400`,
		`calls=3 events=13`,
		`call_id=473513 path=/api/contextAndInvite` + "\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not hold %s:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "4043438646") {
		t.Errorf("the log holds a number:\n%s", &log)
	}
}

// TestFaultFor lets calls arrive side by side: each meets its own fault, over both ways,
// and what has none meets those of the queue, in their order.
func TestFaultFor(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.FaultFor = func(d Deflection) (Fault, bool) {
		switch {
		case d.ExternalCallID == "unharmed":
			return Fault{}, true
		case strings.HasPrefix(d.ExternalCallID, "5"):
			status, err := strconv.Atoi(d.ExternalCallID)
			return Fault{Status: status}, err == nil
		case d.ExternalCallID == "refused":
			return Fault{ConnRefused: true}, true
		}
		d.CallerInfo = nil // a copy
		return Fault{}, false
	}
	memory, socket := New(cfg), RunT(t, cfg)
	for _, way := range []struct {
		s      *Server
		client *http.Client
	}{{memory, inMemory(memory)}, {socket, overSocket(t)}} {
		ask := func(id string) result {
			return send(way.client, request(t, t.Context(), way.s, testBody(t, map[string]any{"externalCallId": id})))
		}
		way.s.Inject(Fault{Status: 418}, Fault{Status: 417})
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				if i%2 == 0 {
					if got := ask("unharmed"); got.status != 200 {
						t.Errorf("got %d, want it unharmed", got.status)
					}
				} else if got := ask(strconv.Itoa(500 + i)); got.status != 500+i {
					t.Errorf("got %d, want %d", got.status, 500+i)
				}
			})
		}
		calls.Wait()
		for _, want := range []int{418, 417, 200} {
			if got := ask("another"); got.status != want {
				t.Errorf("got %d, want %d", got.status, want)
			}
		}
		if got := ask("refused"); got.err == nil {
			t.Errorf("got %d, want an error", got.status)
		}
		// What cannot be read, and reports, meet the queue.
		way.s.Inject(Fault{Status: 416})
		if got := send(way.client, request(t, t.Context(), way.s, "{")); got.status != 416 {
			t.Errorf("got %d for a body that is none", got.status)
		}
		way.s.InjectReport(Fault{Status: 415})
		if got := send(way.client, askBig(t, way.s)); got.status != 415 {
			t.Errorf("got %d for a report", got.status)
		}
		if n := len(way.s.Sent()); n != 11 {
			t.Errorf("%d texts, want 11", n)
		}
	}
}
