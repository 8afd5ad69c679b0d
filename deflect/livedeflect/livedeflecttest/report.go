package livedeflecttest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Report says how getLiveDeflectData answers. The zero value answers like the
// vendor's example; what the vendor's page leaves open is a field here.
type Report struct {
	// Lag is how long after it happened an event is first shown.
	Lag time.Duration

	// Conversation says whether the consumer answers the text, and how long
	// after it; a negative time is none. It is asked anew for each report and
	// must say the same each time. Nil: nobody ever answers.
	Conversation func(Deflection) (after time.Duration, opens bool)

	// Filter says what a window of time selects.
	Filter Filter

	// Ends says whether a time that is exactly an end of the window is in it.
	Ends Ends

	// Oddity makes the answer differ from the vendor's example.
	Oddity Oddity

	// Big, if it is not 0, is a number of events that are made up instead of
	// those of the calls that were sent, six a call: a report of any size, made
	// while it is read and never in memory at once. The calls begin evenly
	// spread over the window. Lag, Conversation, Filter and Ends do not apply.
	Big int
}

// Filter says what a window of time selects. The vendor does not.
type Filter int

const (
	ByBegin    Filter = iota // all events of the calls that began in the window
	ByEvent                  // the events that happened in the window
	ByActivity               // all events of the calls with any event in the window
)

// Ends says which ends of a window belong to it. The vendor does not.
type Ends int

const (
	Inclusive    Ends = iota // both
	EndExclusive             // startTime only
	Exclusive                // none
)

// SetReport replaces Config.Report. It takes effect with the next report that
// is asked for. It panics if r makes no sense, as New does.
func (s *Server) SetReport(r Report) {
	if err := r.validate(); err != nil {
		panic("livedeflecttest: SetReport: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reporting = r
}

func (r Report) validate() error {
	switch {
	case r.Lag < 0:
		return fmt.Errorf("Report.Lag is negative")
	case r.Big < 0:
		return fmt.Errorf("Report.Big is negative")
	case r.Oddity.BadEvery < 0:
		return fmt.Errorf("Report.Oddity.BadEvery is negative")
	case r.Filter < ByBegin || r.Filter > ByActivity:
		return fmt.Errorf("Report.Filter %d is unknown", r.Filter)
	case r.Ends < Inclusive || r.Ends > Exclusive:
		return fmt.Errorf("Report.Ends %d is unknown", r.Ends)
	case r.Oddity.CustomerIDName < ExternalConsumerID || r.Oddity.CustomerIDName > BothCustomerIDs:
		return fmt.Errorf("Report.Oddity.CustomerIDName %d is unknown", r.Oddity.CustomerIDName)
	}
	return nil
}

// report makes the answer to a request in order. It calls the user's code, so
// the lock must not be held.
func (s *Server) report(w window, boolean bool) double.Answer {
	s.mu.Lock()
	r, calls, now := s.reporting, slices.Clone(s.calls.Items), time.Now()
	s.mu.Unlock()

	p, ans := newPage(r.Oddity, boolean), double.JSONAnswer(http.StatusOK, "")
	if r.Big > 0 {
		made := newStream(p, w, s.cfg.FirstCallID, r.Big)
		ans.Stream, ans.Calls, ans.Events = made, made.calls, r.Big
		return ans
	}
	for _, c := range calls {
		if e := r.entry(c, w, now); len(e.events) > 0 {
			ans.Body = p.appendEntry(ans.Body, e)
		}
	}
	ans.Body = p.appendEnd(ans.Body)
	ans.Calls, ans.Events = p.calls, p.events
	return ans
}

// entry gives what a report of this window says about a call; without events
// it says nothing.
func (r Report) entry(c *call, w window, now time.Time) entry {
	if c.SiteID != w.siteID {
		return entry{}
	}
	e := r.history(c, now)
	in := func(ev event) bool { return r.Ends.within(w, ev.at) }
	switch {
	case r.Filter == ByBegin && !r.Ends.within(w, e.begin),
		r.Filter == ByActivity && !slices.ContainsFunc(e.events, in):
		e.events = nil
	case r.Filter == ByEvent:
		e.events = slices.DeleteFunc(e.events, func(ev event) bool { return !in(ev) })
	}
	return e
}

func (ends Ends) within(w window, at int64) bool {
	switch ends {
	case EndExclusive:
		return w.start <= at && at < w.end
	case Exclusive:
		return w.start < at && at < w.end
	}
	return w.start <= at && at <= w.end
}
