package c2mtest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
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
	tokens   *tokens
	log      *slog.Logger
	faults   map[string]*double.FaultQueue // by call; not written to after New

	mu            sync.Mutex // guards what follows
	received      double.History[Received]
	eligibilities double.History[Eligibility]
	invites       double.History[Invite]
	violations    double.History[Violation]
	tickets       tickets
	consumers     map[string]*consumer // by number
	shifts        map[string]shift     // by the skill's id
	rates         map[string]*rate     // by call
	reporting     Report
	ahead         time.Duration // the API's clock is ahead of ours
}

// New makes a Server that uses no socket until Start. It panics if cfg makes
// no sense: a negative number, an unknown channel, a BaseURL that is not one.
func New(cfg Config) *Server {
	anyHost := cfg.BaseURL == ""
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		panic("c2mtest: New: " + err.Error())
	}
	seed := cfg.Seed
	if seed == "" {
		seed = rand.Text()
	}
	both := &rate{limit: cfg.Rate}
	s := &Server{
		cfg:  cfg,
		base: base,
		verifier: double.NewVerifier(double.Keys{
			ConsumerKey: cfg.ConsumerKey, ConsumerSecret: cfg.ConsumerSecret, Token: cfg.Token, TokenSecret: cfg.TokenSecret,
		}),
		tokens:        newTokens(cfg),
		log:           cfg.Logger,
		faults:        map[string]*double.FaultQueue{},
		received:      double.History[Received]{Keep: cfg.KeepLast},
		eligibilities: double.History[Eligibility]{Keep: cfg.KeepLast},
		invites:       double.History[Invite]{Keep: cfg.KeepLast},
		violations:    double.History[Violation]{Keep: cfg.KeepLast},
		tickets:       newTickets(cfg.KeepLast, seed),
		consumers:     map[string]*consumer{},
		shifts:        map[string]shift{},
		rates: map[string]*rate{
			CallEligibility: both, CallInvite: both,
			CallTransactions: {limit: cfg.ReportRate}, CallAnalytics: {limit: cfg.ReportRate},
		},
		reporting: cfg.Report,
	}
	for _, call := range Calls() {
		s.faults[call] = &double.FaultQueue{}
	}
	s.serving = double.Server{Name: "c2mtest", Base: base, AnyHost: anyHost, API: api{s}, Log: s.log}
	return s
}

// SetClock lets the API's clock be ahead of ours, or behind if it is negative, from
// now on: the Date of its answers, and the times in reports and tokens. What is recorded
// goes by our clock.
func (s *Server) SetClock(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = ahead
}

// Eligibilities gives what was asked and answered 200, in order.
func (s *Server) Eligibilities() []Eligibility {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.eligibilities.Copies(Eligibility.clone)
}

// Invites gives the invites that were processed, in order, also if the answer was lost.
func (s *Server) Invites() []Invite {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.invites.Copies(Invite.clone)
}

// Eligibility gives what was asked for and answered with a callId.
func (s *Server) Eligibility(callID string) (e Eligibility, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tickets.byID[callID]; t != nil && t.answered {
		return t.Eligibility.clone(), true
	}
	return Eligibility{}, false
}

// Invite gives the last invite with a callId that was processed.
func (s *Server) Invite(callID string) (i Invite, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tickets.byID[callID]; t != nil && len(t.messages) > 0 {
		return t.messages[len(t.messages)-1].Invite.clone(), true
	}
	return Invite{}, false
}

// Requests gives every request that arrived, in order, with its verdict.
func (s *Server) Requests() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received.Items...)
}

// Violations gives what no client may do, in order: a second invite with a callId, and one
// for a consumer who was not eligible. None is what a test wants.
func (s *Server) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Violation(nil), s.violations.Items...)
}

// handle judges a request that arrived, processes it if its fault lets it, and
// records both before the client can learn anything: who saw an answer, or
// gave up on one, finds the request in the records.
func (s *Server) handle(ctx context.Context, a *double.Arrival, f Fault) double.Answer {
	r := s.route(a.Path)
	rec := Received{Method: a.Method, Path: a.Path, Call: r.call, Auth: authOf(a), Fault: f.String()}
	rec.CallID, rec.Number = asked(r.call, a)
	v := s.examine(a, r)

	var sent *message // whose consumer is yet to be asked
	s.mu.Lock()
	rec.Time = time.Now()
	t := s.again(rec)
	var refused *double.Answer
	if v.refusal != nil {
		ans := v.refusal.answer(r.call)
		refused = &ans
	}
	ans := f.Apply(s.words(r, &rec, v, f), refused, func() double.Answer {
		ans, m := v.process(&rec, f)
		sent = m
		return ans
	})
	if !ans.Reset && !ans.Hang {
		rec.Status = ans.Status
	}
	rec.Reason = ans.Reason
	if rec.Reason == "" && v.refusal != nil {
		rec.Reason = v.refusal.reason()
	}
	if t != nil && mayHaveSent(rec) {
		t.tried = true
	}
	s.received.Add(rec)
	s.mu.Unlock()
	if sent != nil {
		s.takes(sent)
	}

	level := slog.LevelDebug
	if rec.Reason != "" {
		level = slog.LevelWarn
	}
	attrs := []any{
		"status", rec.Status, "reason", rec.Reason, "fault", rec.Fault, "call", rec.Call, "call_id", rec.CallID,
	}
	if r.call == CallTransactions || r.call == CallAnalytics {
		attrs = append(attrs, "rows", ans.Calls)
	}
	s.log.Log(ctx, level, "request answered", attrs...)
	return ans
}

// again notes an invite with a callId of which an earlier one may have sent something. It
// gives the ticket of an invite. The lock is held.
func (s *Server) again(rec Received) *ticket {
	if rec.Call != CallInvite {
		return nil
	}
	t := s.tickets.byID[rec.CallID]
	if t != nil && t.tried {
		s.violate(rec.CallID, "a second invite with a callId")
	}
	return t
}

// mayHaveSent reports whether whoever sent an invite has to think that its message may
// have gone out.
func mayHaveSent(rec Received) bool {
	return rec.Processed || rec.Status == 0 || rec.Status >= 500 || rec.Status < 300
}

// verdict is what the double thinks of a request: why it is refused, or what it does.
// process is called with the lock held. It gives the message whose consumer has to be
// asked, if there is one.
type verdict struct {
	refusal *refusal
	process func(*Received, Fault) (double.Answer, *message)

	// no makes the answer that says no, if the call has one. The lock is held.
	no func(*Received) double.Answer
}

// examine judges a request in order: is it for us, who is it, are there too many, what
// does it say. It burns the nonce of a correctly signed one.
func (s *Server) examine(a *double.Arrival, r route) verdict {
	deny := func(status int, c code, text string) verdict {
		return verdict{refusal: &refusal{status: status, code: c, text: text}}
	}
	switch {
	case r.call == "":
		return deny(http.StatusNotFound, notFound, "Not Found")
	case !r.allows(a.Method):
		v := deny(http.StatusMethodNotAllowed, methodNotAllowed, "Method Not Allowed")
		v.refusal.allow = strings.Join(methods[r.call], ", ")
		return v
	case a.Header.Get("Content-Encoding") != "":
		return deny(http.StatusUnsupportedMediaType, wrongMediaType, "Content-Encoding must not be set")
	}
	if text := s.authorized(a, r); text != "" {
		return deny(http.StatusUnauthorized, invalidBearer, text)
	}
	if s.cfg.Account != "" && r.account != s.cfg.Account {
		return deny(http.StatusNotFound, notFound, "there is no such account")
	}
	if !s.inRate(r.call) {
		return deny(http.StatusTooManyRequests, rateLimit, codes[rateLimit].text)
	}
	switch r.call {
	case CallEligibility:
		return s.examineEligibility(a, r)
	case CallInvite:
		return s.examineInvite(a, r)
	case CallToken:
		return s.examineToken(a, r)
	case CallDomain:
		return s.examineDomain(a, r)
	case CallShiftStatus:
		return s.examineShift(a, r)
	}
	return s.examineReport(a, r)
}

func (s *Server) inRate(call string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.rates[call]
	return limit == nil || limit.take(time.Now())
}
