package wire

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Clock is the API's clock as its answers tell it (Date, RFC 9110, 6.6.1). The
// times of texts in the report are the API's, and clocks are wrong, and are changed.
// What goes by between two moments is measured by ours, which does not step then.
type Clock struct{ last atomic.Pointer[Reading] }

// Last is the last answer that told, or nil.
func (c *Clock) Last() *Reading { return c.last.Load() }

// Reading is one answer: the API's clock showed api when ours showed at.
type Reading struct {
	api, at time.Time
	header  string // the Date, and what it says: at times many answers have the same
	date    time.Time
}

// A Date is cut to seconds and made some time before it arrives. Clocks that differ
// by less are the same.
const sameClock = 5 * time.Second

// Hear takes the Date of an answer to a request.
func (c *Clock) Hear(header http.Header, asked, heard time.Time) {
	r := &Reading{api: heard, at: heard, header: header.Get("Date")}
	if last := c.last.Load(); last != nil && last.header == r.header {
		r.date = last.date
	} else {
		var err error
		if r.date, err = http.ParseTime(r.header); err != nil || r.date.Unix() < 0 {
			return
		}
	}
	date := r.date
	// It was made between the two.
	if ahead := date.Sub(heard); ahead > sameClock {
		r.api = heard.Add(ahead)
	} else if behind := date.Add(time.Second).Sub(asked); behind < -sameClock {
		r.api = heard.Add(behind)
	}
	r.api = r.api.Round(0) // no moment of our monotonic clock
	c.last.Store(r)
}

// Show is what the API's clock showed, or will show, at a time of ours.
func (r *Reading) Show(at time.Time) time.Time { return r.api.Add(at.Sub(r.at)) }

// Show is a time of ours by the API's clock, or by ours when no answer told.
func (c *Clock) Show(at time.Time) time.Time {
	if r := c.last.Load(); r != nil {
		return r.Show(at)
	}
	return at.Round(0)
}
