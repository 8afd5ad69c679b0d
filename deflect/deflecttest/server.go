package deflecttest

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
	injected   []Fault
	standing   Fault
	listener   *listener
}

// New makes a Server that uses no socket until Start. It panics if cfg makes
// no sense: a negative number, an unknown unit, a BaseURL that is not one.
func New(cfg Config) *Server {
	anyHost := cfg.BaseURL == ""
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		panic("deflecttest: New: " + err.Error())
	}
	return &Server{
		cfg:        cfg,
		base:       base,
		anyHost:    anyHost,
		verifier:   newVerifier(cfg),
		log:        cfg.Logger,
		nextCallID: cfg.FirstCallID,
		sent:       history[Deflection]{keep: cfg.KeepLast},
		received:   history[Received]{keep: cfg.KeepLast},
	}
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

// Inject lets the next requests meet faults: the first request the first fault,
// and so on, one a request. The zero Fault lets a request through unharmed.
// Faults that were injected earlier come first, and all of them go before the
// one of SetFault.
func (s *Server) Inject(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injected = append(s.injected, f...)
}

// SetFault lets every request meet a fault until it is replaced. Nil ends it.
func (s *Server) SetFault(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = Fault{}
	if f != nil {
		s.standing = *f
	}
}

// takeFault gives the fault that the next request meets.
func (s *Server) takeFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.injected) == 0 {
		return s.standing
	}
	f := s.injected[0]
	s.injected = s.injected[1:]
	return f
}

// handle judges a request that arrived, processes it if its fault lets it, and
// records both before the client can learn anything: who saw an answer, or
// gave up on one, finds the request in Sent and Requests.
func (s *Server) handle(ctx context.Context, a *arrival, f Fault) answer {
	v := s.examine(a)
	rec := Received{
		Method:         a.method,
		Path:           a.path,
		Authorization:  a.header.Get("Authorization"),
		ExternalCallID: a.externalCallID(),
		Reason:         v.reason,
		Fault:          f.String(),
	}

	s.mu.Lock()
	rec.Time = time.Now()
	process := func() string {
		rec.Processed = true
		rec.CallID = strconv.FormatInt(s.nextCallID, 10)
		s.nextCallID++
		d := v.deflection
		d.CallID, d.Time = rec.CallID, rec.Time
		s.sent.add(d)
		return rec.CallID
	}
	ans := f.apply(v, process)
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
	s.log.Log(ctx, level, "request answered",
		"status", rec.Status, "reason", rec.Reason, "fault", rec.Fault, "call_id", rec.CallID)
	return ans
}

// verdict is what the double thinks of a request: status 200 and a deflection,
// or the status and the reason of a refusal.
type verdict struct {
	status     int
	reason     string
	deflection Deflection
}

// examine judges a request in the order of the real thing: is it for us, who
// signed it, what does it say. It burns the nonce of a correctly signed one.
func (s *Server) examine(a *arrival) verdict {
	if a.path != s.base.Path+pathContextAndInvite {
		return verdict{status: http.StatusNotFound, reason: "Not Found"}
	}
	if a.method != http.MethodPost {
		return verdict{status: http.StatusMethodNotAllowed, reason: "Method Not Allowed"}
	}
	if reason := s.verifier.verify(a); reason != "" {
		return verdict{status: http.StatusUnauthorized, reason: reason}
	}
	d, reason := s.check(a)
	if reason != "" {
		return verdict{status: http.StatusBadRequest, reason: reason}
	}
	return verdict{status: http.StatusOK, deflection: d}
}
