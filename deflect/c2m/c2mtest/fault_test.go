package c2mtest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
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

var faultCases = []struct {
	name   string
	fault  Fault
	sent   bool
	ends   ending
	status int
	body   string // ID stands for the callId
	header [2]string
}{
	{name: "none", sent: true, status: 200, body: `{"callId":"ID"}`},
	{name: "reset before", fault: Fault{ResetBefore: true}, ends: wasReset},
	{name: "hang", fault: Fault{Hang: true}, ends: gaveUp},
	{name: "redirect", fault: Fault{Redirect: "https://example.com/"}, status: 307, header: [2]string{"Location", "https://example.com/"}},
	{name: "500", fault: Fault{Status: 500}, status: 500, body: `{"errorMessage":"Internal Server Error","errorCode":5000}`},
	{name: "503", fault: Fault{Status: 503}, status: 503, body: `{"errorMessage":"Internal Server Error","errorCode":5000}`},
	{name: "401", fault: Fault{Status: 401}, status: 401, body: `{"errorMessage":"Invalid Bearer token","errorCode":1100}`},
	{name: "403", fault: Fault{Status: 403}, status: 403, body: `{"errorMessage":"Not enough privilege to perform this operation","errorCode":1101}`},
	{name: "418", fault: Fault{Status: 418}, status: 418, body: `{"errorMessage":"I'm a teapot","errorCode":0}`},
	{
		name: "429", fault: Fault{Status: 429, RetryAfter: "5"},
		status: 429, body: `{"errorMessage":"Rate limit hit","errorCode":1029}`, header: [2]string{"Retry-After", "5"},
	},
	{name: "a code", fault: Fault{Status: 400, Body: ErrorBody(1600)}, status: 400, body: `{"errorMessage":"No setting is available","errorCode":1600}`},
	{name: "status without body", fault: Fault{Status: 204}, status: 204},
	{name: "status after", fault: Fault{Status: 502, StatusAfterProcessing: true}, sent: true, status: 502, body: `{"errorMessage":"Internal Server Error","errorCode":5000}`},
	{name: "token refused", fault: Fault{InvalidNonce: true}, status: 401, body: `{"errorMessage":"Invalid Bearer token","errorCode":1100}`},
	{name: "says no", fault: Fault{SuccessFalse: true}, status: 400, body: `{"errorMessage":"Message cannot be sent","errorCode":1400}`},
	{name: "no text", fault: Fault{NoText: true}, status: 200, body: `{"callId":"ID"}`},
	{name: "delivered twice", fault: Fault{DeliveredTwice: true}, sent: true, status: 400, body: `{"errorMessage":"Message cannot be sent","errorCode":1400}`},
	{name: "hang after", fault: Fault{HangAfterProcessing: true}, sent: true, ends: gaveUp},
	{name: "hang in the body", fault: Fault{HangAfterProcessing: true, Truncate: true}, sent: true, ends: gaveUpInBody, status: 200},
	{name: "reset after", fault: Fault{ResetAfter: true}, sent: true, ends: wasReset},
	{name: "garbage", fault: Fault{Garbage: true}, sent: true, status: 200, body: "<html>{\"callId\":\xff\x00 is not for you"},
	{name: "truncate", fault: Fault{Truncate: true}, sent: true, ends: cutShort, status: 200},
	{name: "body", fault: Fault{Body: "{}"}, sent: true, status: 200, body: "{}"},
	{name: "short delay", fault: Fault{Delay: time.Millisecond}, sent: true, status: 200, body: `{"callId":"ID"}`},
	{name: "long delay", fault: Fault{Delay: time.Hour}, sent: true, ends: gaveUp},
}

// checkFault compares what the client and the double saw of an invite with a case.
func checkFault(t *testing.T, i int, s *Server, id string, got result, gaveUpWith error) {
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
	body := strings.ReplaceAll(tt.body, "ID", id)
	if tt.ends == cutShort || tt.ends == gaveUpInBody {
		whole := `{"callId":"` + id + `"}`
		body = whole[:len(whole)/2]
	}
	if got.status != tt.status || got.body != body {
		t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, body)
	}
	if tt.header[0] != "" && got.header.Get(tt.header[0]) != tt.header[1] {
		t.Errorf("got headers %v, want %v", got.header, tt.header)
	}
	sent := 0
	for _, inv := range s.Invites() {
		if inv.Sent {
			sent++
		}
	}
	if (sent == 1) != tt.sent || sent > 1 {
		t.Errorf("got %d texts, want sent %t", sent, tt.sent)
	}
	r := s.Requests()[len(s.Requests())-1]
	if r.Call != CallInvite || r.CallID != id || r.Processed != tt.sent || r.Fault != tt.fault.String() || got.status != 0 && r.Status != got.status {
		t.Errorf("got record %+v", r)
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
				id, _ := ask(t, s, testNumber)
				s.Inject(CallInvite, tt.fault)
				got := send(inMemory(s), request(t, ctx, s, http.MethodPost, pathInvite, `{"callId":"`+id+`"}`))
				checkFault(t, i, s, id, got, context.DeadlineExceeded)
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
				cfg.Logger = slog.New(onLog(func(r slog.Record) {
					r.Attrs(func(a slog.Attr) bool {
						if a.Key == "call" && a.Value.String() == CallInvite {
							cancel()
						}
						return true
					})
				}))
			}
			s := RunT(t, cfg)
			client := overSocket(t)
			asking := send(client, request(t, ctx, s, http.MethodPost, pathAsk, body(t, askFields(), nil)))
			if asking.status != 200 {
				t.Fatalf("got %+v", asking)
			}
			id := s.Eligibilities()[0].CallID
			s.Inject(CallInvite, tt.fault)
			resp, err := client.Do(request(t, ctx, s, http.MethodPost, pathInvite, `{"callId":"`+id+`"}`))
			got := result{err: err}
			if err == nil {
				defer resp.Body.Close()
				got.status, got.header = resp.StatusCode, resp.Header
				if tt.ends == gaveUpInBody {
					half := make([]byte, len(`{"callId":"`+id+`"}`)/2)
					io.ReadFull(resp.Body, half)
					got.body = string(half)
					cancel()
				}
				rest, err := io.ReadAll(resp.Body)
				got.body, got.bodyErr = got.body+string(rest), err
			}
			checkFault(t, i, s, id, got, context.Canceled)
		})
	}
}

// Each API fails in the words of its page, and each call has faults of its own.
func TestFaultsByCall(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	id, _ := ask(t, s, testNumber)
	do := map[string]func() result{
		CallEligibility:  func() result { return post(t, s, pathAsk, body(t, askFields(), nil)) },
		CallInvite:       func() result { return invite(t, s, id, nil) },
		CallToken:        func() result { return askToken(t, s, pathToken, goodForm) },
		CallDomain:       func() result { return get(t, s, pathDomain+"sentinel/baseURI.json?version=1.0") },
		CallTransactions: func() result { return post(t, s, window(CallTransactions), "{}") },
		CallAnalytics:    func() result { return get(t, s, window(CallAnalytics)) },
		CallShiftStatus:  func() result { return get(t, s, pathShift) },
	}
	bodies := map[string]string{
		CallEligibility: `{"errorMessage":"Internal Server Error","errorCode":5000}`, CallInvite: `{"errorMessage":"Internal Server Error","errorCode":5000}`,
		CallToken:        `{"error":"server_error","error_description":"Service Unavailable"}`,
		CallDomain:       `{"code":0,"message":"Service Unavailable"}`,
		CallTransactions: `"message":"Service Unavailable"}`,
		CallAnalytics:    `"message":"Service Unavailable"}`,
		CallShiftStatus:  `{"code":0,"message":"Service Unavailable"}`,
	}
	if len(do) != len(Calls()) {
		t.Fatalf("%d calls of %d", len(do), len(Calls()))
	}
	for i, call := range Calls() {
		s.SetFault(call, &Fault{Status: 510 + i})
		s.Inject(call, Fault{Status: 503})
	}
	for i, call := range Calls() {
		if got := do[call](); got.status != 503 || !strings.HasSuffix(got.body, bodies[call]) {
			t.Errorf("%s: got %+v", call, got)
		}
		if got := do[call](); got.status != 510+i {
			t.Errorf("%s: got %+v", call, got)
		}
		s.SetFault(call, nil)
		s.Inject(call, Fault{SuccessFalse: true}, Fault{InvalidNonce: true})
		no := do[call]()
		switch {
		case call == CallEligibility && (no.status != 200 || !strings.Contains(no.body, `"eligible":false`)),
			call == CallInvite && no.status != 400,
			call != CallEligibility && call != CallInvite && no.status != 401:
			t.Errorf("%s says no: got %+v", call, no)
		}
		if got := do[call](); got.status != 401 {
			t.Errorf("%s: got %+v for a token refused", call, got)
		}
		if got := do[call](); got.status != 200 {
			t.Errorf("%s: got %+v without faults", call, got)
		}
	}
	if got := post(t, s, "/elsewhere", ""); got.status != 404 {
		t.Errorf("got %+v", got)
	}
}

// A client's mistake stays visible when a fault answers in its place.
func TestFaultDoesNotHideAMistake(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{
		{Status: 500}, {Status: 502, StatusAfterProcessing: true}, {ResetBefore: true}, {ResetAfter: true}, {Garbage: true}, {Truncate: true},
		{InvalidNonce: true}, {SuccessFalse: true}, {NoText: true}, {DeliveredTwice: true},
	} {
		s := New(testConfig())
		s.Inject(CallEligibility, fault)
		post(t, s, pathAsk, body(t, askFields(), map[string]any{"skill": nil}))
		if got := s.Requests(); len(got) != 1 || got[0].Reason != "1000 Invalid request: skill is required" || got[0].Processed || got[0].Number != testNumber {
			t.Errorf("%s: got %+v", fault, got)
		}
		if n := len(s.Eligibilities()); n != 0 {
			t.Errorf("%s: got %d eligibilities", fault, n)
		}
	}
}

// TestFaultFor lets calls arrive side by side: each meets its own fault, over both ways,
// and what has none meets those of the queue.
func TestFaultFor(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Rate = -1
	cfg.FaultFor = func(a Asked) (Fault, bool) {
		switch {
		case a.Call == CallToken:
			return Fault{Status: 502}, a.CallID == "" && a.Number == ""
		case !strings.HasPrefix(a.Number, "+1404555"):
			return Fault{}, false
		case a.Call == CallInvite && a.CallID == "":
			return Fault{Status: 599}, true
		}
		n, err := strconv.Atoi(a.Number[len(a.Number)-2:])
		if a.Call == CallEligibility {
			return Fault{}, true
		}
		return Fault{Status: 510 + n}, err == nil
	}
	memory, socket := New(cfg), RunT(t, cfg)
	for _, way := range []struct {
		s      *Server
		client *http.Client
	}{{memory, inMemory(memory)}, {socket, overSocket(t)}} {
		do := func(path, body string) result {
			return send(way.client, request(t, t.Context(), way.s, http.MethodPost, path, body))
		}
		way.s.Inject(CallEligibility, Fault{Status: 418})
		way.s.Inject(CallInvite, Fault{Status: 417})
		var calls sync.WaitGroup
		for i := range 10 {
			calls.Go(func() {
				got := do(pathAsk, body(t, askFields(), map[string]any{"consumerPhoneNumber": "+1404555430" + strconv.Itoa(i)}))
				id := got.body[strings.LastIndex(got.body, `:"`)+2 : len(got.body)-2]
				if got := do(pathInvite, `{"callId":"`+id+`"}`); got.status != 510+i {
					t.Errorf("got %d, want %d", got.status, 510+i)
				}
			})
		}
		calls.Wait()
		if got := do(pathToken, ""); got.status != 502 {
			t.Errorf("got %+v", got)
		}
		if got := do(pathAsk, body(t, askFields(), nil)); got.status != 418 {
			t.Errorf("got %+v", got)
		}
		if got := do(pathInvite, "{"); got.status != 417 {
			t.Errorf("got %+v", got)
		}
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	call, f, err := ParseFault("invite:delay=2s,status=400,body={\"a\":1,\"b\":2}")
	if want := (Fault{Delay: 2 * time.Second, Status: 400, Body: `{"a":1,"b":2}`}); err != nil || call != CallInvite || f != want {
		t.Errorf("got %s %+v, %v", call, f, err)
	}
	for spec, want := range map[string]string{
		"status=503":              `does not begin with one of eligibility, invite, token, domain, transactions, analytics, shift_status`,
		":hang":                   `does not begin with`,
		"text:hang":               `does not begin with`,
		"invite":                  `unknown word ""`,
		"invite:explode":          `c2mtest: parse fault: unknown word "explode"`,
		"invite:hang,reset-after": "exclude each other",
		"token:success-bool":      "success-bool is LiveDeflect's alone",
	} {
		if call, f, err := ParseFault(spec); err == nil || !strings.Contains(err.Error(), want) || call != "" || f != (Fault{}) {
			t.Errorf("%s: got %q %+v, %v, want an error with %q", spec, call, f, err, want)
		}
	}
	defer func() {
		if got := recover(); got != "c2mtest: there is no call text" {
			t.Errorf("got %v", got)
		}
	}()
	New(testConfig()).Inject("text", Fault{})
}

// A user's own server: the double sits behind a mux that strips a prefix.
func TestHandlerOfAnotherServer(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	mux := http.NewServeMux()
	mux.Handle("/double/", http.StripPrefix("/double", s))
	ts := httptest.NewTLSServer(mux)
	defer ts.Close()
	req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
	to, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.URL+"/double"+pathAsk, req.Body)
	if err != nil {
		t.Fatal(err)
	}
	to.Header = req.Header
	signed(s, to)
	if got := send(ts.Client(), to); got.status != 200 {
		t.Errorf("got %+v", got)
	}
}

// onLog is a log handler that calls a function for each line: the double logs
// a request when it has judged it.
type onLog func(slog.Record)

func (f onLog) Enabled(context.Context, slog.Level) bool { return true }
func (f onLog) Handle(_ context.Context, r slog.Record) error {
	f(r)
	return nil
}
func (f onLog) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f onLog) WithGroup(string) slog.Handler      { return f }
