package freeswitch

import (
	"context"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// record writes the call's one log line: numbers masked, and nothing of what the
// caller said, keyed in or is called.
func (s *session) record(e ending) {
	asPlanned := e.Outcome == deflect.Deferred && e.Reason == deflect.ReasonOutsideHours
	level := slog.LevelInfo
	if e.Outcome == deflect.Failed || e.Outcome == deflect.Uncertain || e.Reason == deflect.ReasonInvalidCall ||
		e.Reason == deflect.ReasonNoProfile || e.Outcome == deflect.Deferred && !asPlanned {
		level = slog.LevelWarn
	}
	if !s.srv.log.Enabled(context.Background(), level) {
		return
	}
	number := s.ch.call.ANI
	if s.ch.call.NumberOverride != "" {
		number = s.ch.call.NumberOverride
	}
	profile := ""
	if s.profile != nil {
		profile = s.profile.Name
	}
	attrs := append(s.ch.ids(),
		slog.String("profile", profile),
		slog.Any("number", number),
		slog.Any("dialed", s.ch.call.DNIS),
		slog.String("outcome", string(e.Outcome)),
		slog.String("reason", string(e.Reason)),
		slog.Duration("duration", time.Since(s.began)),
	)
	if s.cause != "" && e.Outcome == deflect.Abandoned {
		attrs = append(attrs, slog.String("cause", s.cause))
	}
	if e.confirmed != "" {
		attrs = append(attrs, slog.String("confirmed", e.confirmed))
	}
	if e.Attempts > 0 {
		attrs = append(attrs, slog.Int("attempts", e.Attempts), slog.Duration("request", e.Duration))
	}
	if e.Repeated {
		attrs = append(attrs, slog.Bool("repeated", true))
	}
	if e.CallID != "" {
		attrs = append(attrs, slog.String(callIDVariable, e.CallID))
	}
	if e.err != nil && !asPlanned {
		attrs = append(attrs, slog.Any("err", e.err))
	}
	s.srv.log.Log(context.Background(), level, "call ended", attrs...)
}
