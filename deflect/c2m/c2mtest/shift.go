package c2mtest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// shift is the status of a skill. The zero times are null.
type shift struct {
	on              bool
	nextOn, nextOff time.Time
}

// SetShift says whether anybody is on shift for a skill. Those that were never set are on
// shift, as an account without shifts is.
func (s *Server) SetShift(skillID string, on bool) {
	s.SetShiftUntil(skillID, on, time.Time{}, time.Time{})
}

// SetShiftUntil also says when the next shift begins and ends; a zero time is none.
func (s *Server) SetShiftUntil(skillID string, on bool, nextOn, nextOff time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shifts[skillID] = shift{on, nextOn, nextOff}
}

func (s *Server) examineShift(a *double.Arrival, r route) verdict {
	if a.RawQuery != "" {
		return verdict{refusal: &refusal{status: http.StatusBadRequest, code: invalidRequest, text: "the query must be empty"}}
	}
	if !double.DigitsOnly(r.arg) || len(r.arg) > 18 {
		return verdict{refusal: &refusal{status: http.StatusBadRequest, code: invalidRequest, text: "the id of the skill must be digits"}}
	}
	return verdict{process: func(rec *Received, _ Fault) (double.Answer, *message) {
		rec.Processed = true
		id, _ := strconv.ParseInt(r.arg, 10, 64) // as many digits fit
		now, known := s.shifts[r.arg]
		if !known {
			now.on = true
		}
		return double.JSONAnswer(http.StatusOK, `{"skillId":`+strconv.FormatInt(id, 10)+`,"onShift":`+strconv.FormatBool(now.on)+
			`,"nextOn":`+milliseconds(now.nextOn)+`,"nextOff":`+milliseconds(now.nextOff)+`}`), nil
	}}
}

func milliseconds(t time.Time) string {
	if t.IsZero() {
		return "null"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
