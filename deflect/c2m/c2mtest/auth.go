package c2mtest

import (
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// How a request says who it is.
const (
	bearer = "bearer"
	oauth1 = "oauth1"
)

func authOf(a *double.Arrival) string {
	scheme, _, _ := strings.Cut(strings.TrimSpace(a.Header.Get("Authorization")), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return bearer
	case "oauth":
		return oauth1
	}
	return ""
}

// authorized gives the reason to refuse whoever asks, or "".
func (s *Server) authorized(a *double.Arrival, r route) string {
	if r.call == CallToken || r.call == CallDomain {
		return ""
	}
	headers := a.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return "Invalid Authorization Header - there are several"
	case authOf(a) == bearer:
		_, token, _ := strings.Cut(strings.TrimSpace(headers[0]), " ")
		if why := s.tokens.check(token, r.account, s.now()); why != "" {
			return codes[invalidBearer].text + ": " + why
		}
		return ""
	case r.call == CallShiftStatus && authOf(a) == oauth1:
		return codes[invalidBearer].text + ": only a bearer token is taken here"
	}
	return s.verifier.Verify(a)
}

// now is the API's clock.
func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}
