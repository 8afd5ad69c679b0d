package deflect

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// Hours are the opening hours of a messaging team, as people write them. The
// zero value is always open.
//
// Times are those on a clock in the zone, also in the nights when it is put
// forward or back. A holiday is closed from midnight to midnight: neither its own
// hours count nor those that run into it from the evening before.
type Hours struct {
	Zone string // IANA time zone such as "America/New_York"; required with Week or Holidays

	// Week has the spans of each day: "mon-fri": {"09:00-12:00", "13:00-17:00"}.
	// A span that ends before it begins runs into the next day ("22:00-02:00"); the
	// end is not part of it; a whole day is "00:00-24:00". Days are mon, tue, wed,
	// thu, fri, sat and sun, ranges of them, or several with commas ("tue,thu-sat");
	// a day that is not named is closed. Without any day it is always open, but on
	// holidays.
	Week     map[string][]string
	Holidays []string // dates such as "2026-12-25"
}

// timetable is Hours, read.
type timetable struct {
	zone     *time.Location // nil: always open
	always   bool           // but on holidays
	week     [7][]span      // by the weekday that a span begins on
	holidays map[date]bool

	next atomic.Pointer[opening] // the last one that was found
}

// opening is when it opens next, seen from a time; none that is known is before at.
type opening struct {
	from, at time.Time
	found    bool
}

// span is a time of day in minutes since midnight. One that ends before it
// begins ends on the next day.
type span struct{ from, to int }

type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (s span) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60)
}

func (s span) overnight() bool { return s.to < s.from }

// open reports whether it is open at t, and tells what decides that.
func (tt *timetable) open(t time.Time) (bool, string) {
	if tt.zone == nil {
		return true, "no hours are set"
	}
	local := t.In(tt.zone)
	at := local.Format("Mon 2006-01-02 15:04") + " in " + tt.zone.String()
	day := local.Weekday()
	switch open, by := tt.openAt(local); {
	case by != nil:
		return true, fmt.Sprintf("%s, within %s %s", at, dayNames[by.day], by.span)
	case open:
		return true, at + " is no holiday"
	case tt.holidays[dateOf(local)]:
		return false, at + " is a holiday"
	case len(tt.week[day]) == 0:
		return false, at + "; " + dayNames[day] + " has no hours"
	}
	return false, fmt.Sprintf("%s; hours of %s: %s", at, dayNames[day], join(tt.week[day]))
}

// daySpan is a span with the day on which it begins.
type daySpan struct {
	span
	day time.Weekday
}

// openAt reports whether it is open at a time in the zone, and by which span, if by one.
func (tt *timetable) openAt(local time.Time) (open bool, by *daySpan) {
	switch {
	case tt.holidays[dateOf(local)]:
		return false, nil
	case tt.always:
		return true, nil
	}
	now, day := local.Hour()*60+local.Minute(), local.Weekday()
	for _, s := range tt.week[day] {
		if s.from <= now && (now < s.to || s.overnight()) {
			return true, &daySpan{s, day}
		}
	}
	// Noon, because not every day has a midnight.
	y, m, d := local.Date()
	yesterday := time.Date(y, m, d-1, 12, 0, 0, 0, tt.zone)
	for _, s := range tt.week[yesterday.Weekday()] {
		if s.overnight() && now < s.to && !tt.holidays[dateOf(yesterday)] {
			return true, &daySpan{s, yesterday.Weekday()}
		}
	}
	return false, nil
}

// reopens returns when it opens next after a time at which it is closed, if that is within
// so long.
func (tt *timetable) reopens(t time.Time, within time.Duration) (time.Time, bool) {
	at := t.Truncate(time.Minute)
	from := t
	if o := tt.next.Load(); o != nil && !t.Before(o.from) && t.Before(o.at) {
		if o.found || o.at.After(t.Add(within)) {
			return o.at, o.found && !o.at.After(t.Add(within))
		}
		from, at = o.from, o.at
	}
	// Minute by minute, because hours are those on a clock, which is put forward and back.
	for at.Before(t.Add(within)) {
		at = at.Add(time.Minute)
		if open, _ := tt.openAt(at.In(tt.zone)); open {
			at = at.In(tt.zone)
			tt.next.Store(&opening{from, at, true})
			return at, !at.After(t.Add(within))
		}
	}
	tt.next.Store(&opening{from, at, false})
	return time.Time{}, false
}

// openFor is how long it stays open from an opening on, in minutes, and at most so long.
func (tt *timetable) openFor(opens time.Time, most time.Duration) time.Duration {
	for d := time.Minute; d < most; d += time.Minute {
		if open, _ := tt.open(opens.Add(d)); !open {
			return d
		}
	}
	return most
}

func join(spans []span) string {
	parts := make([]string, len(spans))
	for i, s := range spans {
		parts[i] = s.String()
	}
	return strings.Join(parts, ", ")
}

var (
	dayNames  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts
	spanForm  = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])$`)
	errNoZone = errors.New("is not an IANA time zone such as America/New_York")
	errNoSpan = errors.New(`is not a span such as "09:00-17:00"`)
)

// read turns hours into a timetable; bad hears of every problem.
func (h Hours) read(bad func(field, format string, args ...any)) *timetable {
	tt := &timetable{always: len(h.Week) == 0, holidays: map[date]bool{}}
	if h.Zone == "" && len(h.Week) == 0 && len(h.Holidays) == 0 {
		return tt
	}
	zone, err := time.LoadLocation(h.Zone)
	// Systems have names beside those of IANA: the machine's own zone, leap seconds.
	if h.Zone == "Local" || h.Zone == "localtime" || h.Zone == "Factory" || strings.HasPrefix(h.Zone, "right/") || strings.HasPrefix(h.Zone, "posix") {
		err = errNoZone
	}
	switch {
	case h.Zone == "":
		bad("Hours.Zone", "is missing: the time zone of the hours, such as America/New_York")
	case err != nil:
		bad("Hours.Zone", "%w", errNoZone)
	default:
		tt.zone = zone
	}
	named := map[time.Weekday]bool{}
	for _, days := range sortedKeys(h.Week) {
		list, err := readDays(days)
		if err != nil {
			bad("Hours.Week."+clean.Text(days), "%w", err)
		}
		spans := readSpans(h.Week[days], func(i int, err error) { bad(fmt.Sprintf("Hours.Week.%s[%d]", clean.Text(days), i), "%w", err) })
		if len(h.Week[days]) == 0 {
			bad("Hours.Week."+clean.Text(days), "has no span; leave the day out to be closed")
		}
		for _, d := range list {
			if named[d] {
				bad("Hours.Week."+clean.Text(days), "names %s, which another key names too", dayNames[d])
			}
			named[d] = true
			tt.week[d] = spans
		}
	}
	for i, s := range h.Holidays {
		t, err := time.Parse(time.DateOnly, s)
		if err != nil {
			bad(fmt.Sprintf("Hours.Holidays[%d]", i), `is not a date such as "2026-12-25"`)
			continue
		}
		tt.holidays[dateOf(t)] = true
	}
	return tt
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readDays reads "mon", "mon-fri" or "tue,thu-sat".
func readDays(s string) (days []time.Weekday, err error) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, last := slices.Index(dayNames, from), slices.Index(dayNames, to)
		if first < 0 || last < 0 {
			return nil, errors.New("is no day; days are mon, tue, wed, thu, fri, sat, sun, and ranges such as mon-fri")
		}
		for d := first; ; d = (d + 1) % 7 {
			days = append(days, time.Weekday(d))
			if d == last {
				break
			}
		}
	}
	return days, nil
}

func readSpans(texts []string, bad func(i int, err error)) (spans []span) {
	for i, s := range texts {
		m := spanForm.FindStringSubmatch(s)
		if m == nil {
			bad(i, errNoSpan)
			continue
		}
		var v [4]int
		for i := range v {
			v[i] = int(m[i+1][0]-'0')*10 + int(m[i+1][1]-'0')
		}
		sp := span{v[0]*60 + v[1], v[2]*60 + v[3]}
		switch {
		case sp.to > 24*60:
			bad(i, errNoSpan)
		case sp.from == sp.to:
			bad(i, errors.New(`is a span without length; a whole day is "00:00-24:00"`))
		default:
			spans = append(spans, sp)
		}
	}
	return spans
}
