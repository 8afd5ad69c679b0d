package livedeflecttest

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Server is the double. Make one with New or RunT.
type Server struct {
	cfg      Config
	base     *url.URL
	anyHost  bool // RoundTrip answers for every host
	verifier *verifier
	log      *slog.Logger

	mu         sync.Mutex // guards what follows
	nextCallID int64
	sent       history[Deflection]
	received   history[Received]
	calls      history[*call]
	reporting  Report
	listener   *listener
	ahead      time.Duration // the API's clock is ahead of ours

	faults, reportFaults faultQueue
}

// New makes a Server that uses no socket until Start. It panics if cfg makes
// no sense: a negative number, an unknown unit, a BaseURL that is not one.
func New(cfg Config) *Server {
	anyHost := cfg.BaseURL == ""
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		panic("livedeflecttest: New: " + err.Error())
	}
	return &Server{
		cfg:        cfg,
		base:       base,
		anyHost:    anyHost,
		verifier:   newVerifier(cfg),
		log:        cfg.Logger,
		nextCallID: cfg.FirstCallID,
		sent:       history[Deflection]{keep: cfg.KeepLast},
		calls:      history[*call]{keep: cfg.KeepLast},
		reporting:  cfg.Report,
		received:   history[Received]{keep: cfg.KeepLast},
	}
}

// SetClock lets the API's clock be ahead of ours, or behind if it is negative, from
// now on: the Date of its answers, and the times of what happens there in reports.
// Sent and Requests go by our clock.
func (s *Server) SetClock(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = ahead
}

// date is the Date of an answer that is sent now.
func (s *Server) date() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []string{time.Now().Add(s.ahead).UTC().Format(http.TimeFormat)}
}

// Sent gives the texts that were sent, in order. A text counts as sent when its
// request was processed, even if the answer was lost.
func (s *Server) Sent() []Deflection {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Deflection, len(s.sent.items))
	for i, d := range s.sent.items {
		out[i] = d.clone()
	}
	return out
}

// Requests gives every request that arrived, in order, with its verdict.
func (s *Server) Requests() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received.items...)
}

// handle judges a request that arrived, processes it if its fault lets it, and
// records both before the client can learn anything: who saw an answer, or
// gave up on one, finds the request in Sent and Requests.
func (s *Server) handle(ctx context.Context, a *arrival, f Fault) answer {
	v := s.examine(a)
	rec := Received{
		Method:        a.method,
		Path:          a.path,
		Authorization: a.header.Get("Authorization"),
		Reason:        v.reason,
		Fault:         f.String(),
	}
	if !s.isReport(a.path) {
		rec.ExternalCallID = a.externalCallID()
	}
	respond := func() answer { return success(s.processLocked(v.deflection, f, &rec), f.SuccessBool) }
	if v.window != nil {
		report := s.report(*v.window, f.SuccessBool)
		respond = func() answer { return report }
	}

	s.mu.Lock()
	rec.Time = time.Now()
	ans := f.apply(v, respond)
	if !ans.reset && !ans.hang {
		rec.Status = ans.status
	}
	if rec.Reason == "" {
		rec.Reason = ans.reason
	}
	s.received.add(rec)
	s.mu.Unlock()

	level := slog.LevelDebug
	if v.reason != "" {
		level = slog.LevelWarn
	}
	attrs := []any{
		"status", rec.Status, "reason", rec.Reason, "fault", rec.Fault, "call_id", rec.CallID, "path", rec.Path,
	}
	if v.window != nil {
		attrs = append(attrs, "calls", ans.calls, "events", ans.events)
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
	rec.Processed = f.kind() != noText
	if rec.Processed {
		s.sent.add(d)
	}
	s.calls.add(&call{Deflection: d, noText: !rec.Processed, ahead: s.ahead})
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

// examine judges a request in the order of the real thing: is it for us, who
// signed it, what does it say. It burns the nonce of a correctly signed one.
func (s *Server) examine(a *arrival) verdict {
	if a.path != s.base.Path+pathContextAndInvite && !s.isReport(a.path) {
		return verdict{status: http.StatusNotFound, reason: "Not Found"}
	}
	if a.method != http.MethodPost {
		return verdict{status: http.StatusMethodNotAllowed, reason: "Method Not Allowed"}
	}
	if reason := s.verifier.verify(a); reason != "" {
		return verdict{status: http.StatusUnauthorized, reason: reason}
	}
	ok := verdict{status: http.StatusOK}
	var reason string
	if s.isReport(a.path) {
		ok.window, reason = s.checkReport(a)
	} else {
		ok.deflection, reason = s.check(a)
	}
	if reason != "" {
		return verdict{status: http.StatusBadRequest, reason: reason}
	}
	return ok
}
