package livedeflecttest

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Server is the double. Make one with New or RunT.
type Server struct {
	cfg      Config
	base     *url.URL
	serving  double.Server
	verifier *double.Verifier
	log      *slog.Logger

	mu         sync.Mutex // guards what follows
	nextCallID int64
	sent       double.History[Deflection]
	received   double.History[Received]
	calls      double.History[*call]
	reporting  Report
	ahead      time.Duration // the API's clock is ahead of ours

	faults, reportFaults double.FaultQueue
}

// New makes a Server that uses no socket until Start. It panics if cfg makes
// no sense: a negative number, an unknown unit, a BaseURL that is not one.
func New(cfg Config) *Server {
	anyHost := cfg.BaseURL == ""
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		panic("livedeflecttest: New: " + err.Error())
	}
	s := &Server{
		cfg:  cfg,
		base: base,
		verifier: double.NewVerifier(double.Keys{
			ConsumerKey: cfg.ConsumerKey, ConsumerSecret: cfg.ConsumerSecret, Token: cfg.Token, TokenSecret: cfg.TokenSecret,
		}),
		log:        cfg.Logger,
		nextCallID: cfg.FirstCallID,
		sent:       double.History[Deflection]{Keep: cfg.KeepLast},
		calls:      double.History[*call]{Keep: cfg.KeepLast},
		reporting:  cfg.Report,
		received:   double.History[Received]{Keep: cfg.KeepLast},
	}
	s.serving = double.Server{Name: "livedeflecttest", Base: base, AnyHost: anyHost, API: api{s}, Log: s.log}
	return s
}

// SetClock lets the API's clock be ahead of ours, or behind if it is negative, from
// now on: the Date of its answers, and the times of what happens there in reports.
// Sent and Requests go by our clock.
func (s *Server) SetClock(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = ahead
}

// Sent gives the texts that were sent, in order. A text counts as sent when its
// request was processed, even if the answer was lost.
func (s *Server) Sent() []Deflection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.Copies(Deflection.clone)
}

// Requests gives every request that arrived, in order, with its verdict.
func (s *Server) Requests() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received.Items...)
}

// handle judges a request that arrived, processes it if its fault lets it, and
// records both before the client can learn anything: who saw an answer, or
// gave up on one, finds the request in Sent and Requests.
func (s *Server) handle(ctx context.Context, a *double.Arrival, f Fault) double.Answer {
	v := s.examine(a)
	rec := Received{
		Method:        a.Method,
		Path:          a.Path,
		Authorization: a.Header.Get("Authorization"),
		Reason:        v.reason,
		Fault:         f.String(),
	}
	if !s.isReport(a.Path) {
		rec.ExternalCallID = externalCallID(a)
	}
	respond := func() double.Answer { return success(s.processLocked(v.deflection, f, &rec), f.SuccessBool) }
	if v.window != nil {
		report := s.report(*v.window, f.SuccessBool)
		respond = func() double.Answer { return report }
	}

	s.mu.Lock()
	rec.Time = time.Now()
	ans := f.Apply(words, v.refused(), respond)
	if !ans.Reset && !ans.Hang {
		rec.Status = ans.Status
	}
	if rec.Reason == "" {
		rec.Reason = ans.Reason
	}
	s.received.Add(rec)
	s.mu.Unlock()

	level := slog.LevelDebug
	if v.reason != "" {
		level = slog.LevelWarn
	}
	attrs := []any{
		"status", rec.Status, "reason", rec.Reason, "fault", rec.Fault, "call_id", rec.CallID, "path", rec.Path,
	}
	if v.window != nil {
		attrs = append(attrs, "calls", ans.Calls, "events", ans.Events)
	}
	s.log.Log(ctx, level, "request answered", attrs...)
	return ans
}

// processLocked takes a call and sends its text, unless the fault keeps it back. It
// gives the callId.
func (s *Server) processLocked(d Deflection, f Fault, rec *Received) string {
	d.CallID, d.Time = strconv.FormatInt(s.nextCallID, 10), rec.Time
	s.nextCallID++
	rec.CallID = d.CallID
	rec.Processed = !f.SendsNothing()
	if rec.Processed {
		s.sent.Add(d)
	}
	s.calls.Add(&call{Deflection: d, noText: !rec.Processed, ahead: s.ahead})
	return d.CallID
}

// verdict is what the double thinks of a request: status 200 and what it asks
// for, or the status and the reason of a refusal.
type verdict struct {
	status     int
	reason     string
	deflection Deflection
	window     *window // not nil: a report is asked for
}

// refused is the answer to a request that is not in order, nil for one that is.
func (v verdict) refused() *double.Answer {
	if v.reason == "" {
		return nil
	}
	ans := refusal(v.status, v.reason)
	return &ans
}

// authorized gives the reason to refuse whoever asks, or "".
func (s *Server) authorized(a *double.Arrival) string {
	if headers := a.Header.Values("Authorization"); s.cfg.Bearer != nil && len(headers) == 1 {
		if scheme, token, _ := strings.Cut(headers[0], " "); strings.EqualFold(scheme, "Bearer") {
			if !s.cfg.Bearer(token) {
				return "Invalid Bearer token"
			}
			return ""
		}
	}
	return s.verifier.Verify(a)
}

// examine judges a request in the order of the real thing: is it for us, who
// signed it, what does it say. It burns the nonce of a correctly signed one.
func (s *Server) examine(a *double.Arrival) verdict {
	if a.Path != s.base.Path+pathContextAndInvite && !s.isReport(a.Path) {
		return verdict{status: http.StatusNotFound, reason: "Not Found"}
	}
	if a.Method != http.MethodPost {
		return verdict{status: http.StatusMethodNotAllowed, reason: "Method Not Allowed"}
	}
	if reason := s.authorized(a); reason != "" {
		return verdict{status: http.StatusUnauthorized, reason: reason}
	}
	ok := verdict{status: http.StatusOK}
	var reason string
	if s.isReport(a.Path) {
		ok.window, reason = s.checkReport(a)
	} else {
		ok.deflection, reason = s.check(a)
	}
	if reason != "" {
		return verdict{status: http.StatusBadRequest, reason: reason}
	}
	return ok
}
