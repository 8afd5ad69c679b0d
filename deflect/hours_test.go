package deflect

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func mustHours(t *testing.T, h Hours) *timetable {
	t.Helper()
	p, err := NewPolicy("sales", Rules{Hours: h})
	if err != nil {
		t.Fatal(err)
	}
	return p.hours
}

func TestHours(t *testing.T) {
	newYork := Hours{
		Zone: "America/New_York",
		Week: map[string][]string{
			"mon-thu": {"09:00-12:00", "13:00-17:00"},
			"fri":     {"09:00-17:00"},
			"sat":     {"22:00-02:00"},
		},
		Holidays: []string{"2026-12-25", "2026-06-07"},
	}
	tests := []struct {
		name  string
		hours Hours
		at    string // with the offset from UTC, so that the test says itself what it means
		open  bool
	}{
		{"no hours at all", Hours{}, "2026-11-21T03:00:00Z", true},
		{"holidays alone, another day", Hours{Zone: "UTC", Holidays: []string{"2026-12-25"}}, "2026-12-24T23:59:59Z", true},
		{"holidays alone, the day", Hours{Zone: "UTC", Holidays: []string{"2026-12-25"}}, "2026-12-25T00:00:00Z", false},

		{"before opening", newYork, "2026-11-23T08:59:59-05:00", false},
		{"opening", newYork, "2026-11-23T09:00:00-05:00", true},
		{"noon break begins", newYork, "2026-11-23T12:00:00-05:00", false},
		{"noon break ends", newYork, "2026-11-23T13:00:00-05:00", true},
		{"last second", newYork, "2026-11-23T16:59:59-05:00", true},
		{"closing", newYork, "2026-11-23T17:00:00-05:00", false},
		{"another day has no break", newYork, "2026-11-27T12:30:00-05:00", true},
		{"a day that is not named", newYork, "2026-11-22T12:00:00-05:00", false},
		{"the same moment told in another zone", newYork, "2026-11-23T14:00:00Z", true},
		{"summer time: an hour earlier in UTC", newYork, "2026-07-06T13:00:00Z", true},

		{"before the evening span", newYork, "2026-11-21T21:59:00-05:00", false},
		{"evening", newYork, "2026-11-21T22:00:00-05:00", true},
		{"after midnight", newYork, "2026-11-22T00:00:00-05:00", true},
		{"last second of the night", newYork, "2026-11-22T01:59:59-05:00", true},
		{"end of the night", newYork, "2026-11-22T02:00:00-05:00", false},
		{"the night before has no span", newYork, "2026-11-21T01:00:00-05:00", false},
		{"saturday's span does not begin on friday", newYork, "2026-11-20T23:00:00-05:00", false},

		{"a holiday on a working day", newYork, "2026-12-25T10:00:00-05:00", false},
		{"the day after", newYork, "2026-12-28T10:00:00-05:00", true},
		{"the span before a holiday, before midnight", newYork, "2026-06-06T23:00:00-04:00", true},
		{"... does not run into it", newYork, "2026-06-07T01:00:00-04:00", false},
		{"a holiday's own span", Hours{Zone: "UTC", Week: map[string][]string{"fri": {"22:00-02:00"}}, Holidays: []string{"2026-12-25"}}, "2026-12-25T23:00:00Z", false},
		{"... nor after its midnight", Hours{Zone: "UTC", Week: map[string][]string{"fri": {"22:00-02:00"}}, Holidays: []string{"2026-12-25"}}, "2026-12-26T01:00:00Z", false},

		// 2026-03-08: the clock goes from 01:59:59 EST to 03:00:00 EDT.
		{"the night put forward: still open", newYork, "2026-03-08T01:59:59-05:00", true},
		{"the night put forward: there is no 02:00", newYork, "2026-03-08T03:00:00-04:00", false},
		{"a span that begins in the lost hour", Hours{Zone: "America/New_York", Week: map[string][]string{"sun": {"02:30-04:00"}}}, "2026-03-08T03:00:00-04:00", true},
		{"a span in the lost hour alone", Hours{Zone: "America/New_York", Week: map[string][]string{"sun": {"02:15-02:45"}}}, "2026-03-08T03:00:00-04:00", false},
		// 2026-11-01: the clock goes from 01:59:59 EDT back to 01:00:00 EST.
		{"the night put back: the first 01:30", newYork, "2026-11-01T01:30:00-04:00", true},
		{"the night put back: the second 01:30", newYork, "2026-11-01T01:30:00-05:00", true},
		{"the night put back: end", newYork, "2026-11-01T02:00:00-05:00", false},
		// Beirut puts its clock forward at midnight: 2026-03-29 begins at 01:00.
		{"a day without a midnight", Hours{Zone: "Asia/Beirut", Week: map[string][]string{"sat": {"22:00-02:00"}}}, "2026-03-29T01:30:00+03:00", true},
		{"a day without a midnight, later", Hours{Zone: "Asia/Beirut", Week: map[string][]string{"sat": {"22:00-02:00"}}}, "2026-03-29T02:00:00+03:00", false},

		{"a whole day", Hours{Zone: "UTC", Week: map[string][]string{"sun": {"00:00-24:00"}}}, "2026-11-22T23:59:59Z", true},
		{"and no more", Hours{Zone: "UTC", Week: map[string][]string{"sun": {"00:00-24:00"}}}, "2026-11-23T00:00:00Z", false},
		{"until midnight", Hours{Zone: "UTC", Week: map[string][]string{"sun": {"18:00-00:00"}}}, "2026-11-22T23:59:59Z", true},
		{"until midnight and no more", Hours{Zone: "UTC", Week: map[string][]string{"sun": {"18:00-00:00"}}}, "2026-11-23T00:00:00Z", false},
		{"days around the week's end", Hours{Zone: "UTC", Week: map[string][]string{"sat-mon": {"09:00-10:00"}}}, "2026-11-22T09:00:00Z", true},
		{"days around the week's end, not in it", Hours{Zone: "UTC", Week: map[string][]string{"sat-mon": {"09:00-10:00"}}}, "2026-11-24T09:00:00Z", false},
		{"several days", Hours{Zone: "UTC", Week: map[string][]string{"tue,thu-fri": {"09:00-10:00"}}}, "2026-11-26T09:00:00Z", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			table := mustHours(t, tt.hours)
			if got, why := table.open(at); got != tt.open {
				t.Errorf("open(%s) = %t: %s", tt.at, got, why)
			}
		})
	}
}

// Every minute of a year, counted by hours that are told in words and by a second
// reading of the same words that knows no zones: it walks wall clocks.
func TestHoursOverAYear(t *testing.T) {
	table := mustHours(t, Hours{
		Zone:     "America/New_York",
		Week:     map[string][]string{"mon-fri": {"09:00-17:00"}, "sat": {"22:00-02:00"}},
		Holidays: []string{"2026-12-25"},
	})
	minutes := 0
	for at := time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC); at.Before(time.Date(2027, 1, 1, 5, 0, 0, 0, time.UTC)); at = at.Add(time.Minute) {
		if open, _ := table.open(at); open {
			minutes++
		}
	}
	// 261 working days but one holiday, 52 Saturdays; the night of 2026-10-31 is an
	// hour longer. That of 2026-03-07 is not shorter: the clock jumps at its end.
	if want := 260*8*60 + 52*4*60 + 60; minutes != want {
		t.Errorf("open for %d minutes of 2026, want %d", minutes, want)
	}
}

func TestHoursInWords(t *testing.T) {
	table := mustHours(t, Hours{
		Zone: "America/New_York", Week: map[string][]string{"mon-fri": {"09:00-12:00", "13:00-17:00"}, "sat": {"22:00-02:00"}}, Holidays: []string{"2026-12-25"},
	})
	for at, want := range map[string]string{
		"2026-11-23T14:30:00-05:00": "Mon 2026-11-23 14:30 in America/New_York, within mon 13:00-17:00",
		"2026-11-23T12:30:00-05:00": "Mon 2026-11-23 12:30 in America/New_York; hours of mon: 09:00-12:00, 13:00-17:00",
		"2026-11-22T01:00:00-05:00": "Sun 2026-11-22 01:00 in America/New_York, within sat 22:00-02:00",
		"2026-11-22T03:00:00-05:00": "Sun 2026-11-22 03:00 in America/New_York; sun has no hours",
		"2026-12-25T10:00:00-05:00": "Fri 2026-12-25 10:00 in America/New_York is a holiday",
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := table.open(when); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

func TestHoursProblems(t *testing.T) {
	week := func(days string, spans ...string) Hours {
		return Hours{Zone: "UTC", Week: map[string][]string{days: spans}}
	}
	for _, tt := range []struct {
		name  string
		hours Hours
		want  []string
	}{
		{"zone missing", Hours{Week: map[string][]string{"mon": {"09:00-17:00"}}}, []string{"Hours.Zone: is missing"}},
		{"zone unknown", Hours{Zone: "New York"}, []string{"Hours.Zone: is not an IANA time zone"}},
		{"zone with leap seconds", Hours{Zone: "right/America/New_York"}, []string{"Hours.Zone: is not an IANA time zone"}},
		{"zone of the machine", Hours{Zone: "Local"}, []string{"Hours.Zone: is not an IANA time zone"}},
		{"day unknown", week("monday", "09:00-17:00"), []string{"Hours.Week.monday: is no day"}},
		{"day empty", week("", "09:00-17:00"), []string{"Hours.Week"}},
		{"range of three", week("mon-tue-wed", "09:00-17:00"), []string{"Hours.Week"}},
		{"upper case", week("Mon", "09:00-17:00"), []string{"Hours.Week"}},
		{"no span", week("mon"), []string{"has no span"}},
		{"one digit", week("mon", "9:00-17:00"), []string{"Hours.Week.mon[0]: is not a span"}},
		{"minute 60", week("mon", "09:00-16:60"), []string{"Hours.Week.mon[0]: is not a span"}},
		{"25 o'clock", week("mon", "09:00-25:00"), []string{"Hours.Week.mon[0]: is not a span"}},
		{"after 24:00", week("mon", "09:00-24:01"), []string{"Hours.Week.mon[0]: is not a span"}},
		{"begins at 24:00", week("mon", "24:00-02:00"), []string{"Hours.Week.mon[0]: is not a span"}},
		{"without length", week("mon", "09:00-09:00"), []string{"without length"}},
		{"text after it", week("mon", "09:00-17:00 "), []string{"Hours.Week.mon[0]: is not a span"}},
		{"a day twice", Hours{Zone: "UTC", Week: map[string][]string{"mon-fri": {"09:00-17:00"}, "wed": {"10:00-12:00"}}}, []string{"Hours.Week.wed: names wed, which another key names too"}},
		{"holiday", Hours{Zone: "UTC", Holidays: []string{"2026-12-25", "25.12.2026", "2026-02-30"}}, []string{"Hours.Holidays[1]", "Hours.Holidays[2]"}},
		{"several", Hours{Zone: "Nowhere", Week: map[string][]string{"xxx": {"1-2"}}, Holidays: []string{"x"}}, []string{"Hours.Zone", "Hours.Week", "Hours.Week", "Hours.Holidays[0]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Rules{Hours: tt.hours}.Validate()
			if err == nil {
				t.Fatal("no problem found")
			}
			got := strings.Split(err.Error(), "\n")
			ok := len(got) == len(tt.want)
			for _, w := range tt.want {
				ok = ok && slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, w) })
			}
			if !ok {
				t.Errorf("problems %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPolicyReopens(t *testing.T) {
	night := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC) // a Friday
	week := Hours{Zone: "UTC", Week: map[string][]string{"mon-fri": {"09:00-17:00"}}}
	for _, tt := range []struct {
		name   string
		rules  Rules
		at     time.Time
		opens  time.Time
		offers bool
	}{
		{"soon", Rules{Hours: week, Later: Later{Closed: 6 * time.Hour}}, night, night.Add(6 * time.Hour), true},
		{"not so soon", Rules{Hours: week, Later: Later{Closed: 5 * time.Hour}}, night, time.Time{}, false},
		{"no texts for later", Rules{Hours: week}, night, time.Time{}, false},
		{"open", Rules{Hours: week, Later: Later{Closed: 6 * time.Hour}}, night.Add(7 * time.Hour), time.Time{}, false},
		{"always open", Rules{Later: Later{Closed: 6 * time.Hour}}, night, time.Time{}, false},
	} {
		p, err := NewPolicy("sales", tt.rules)
		if err != nil {
			t.Fatal(err)
		}
		if opens, offers := p.Reopens(tt.at); !opens.Equal(tt.opens) || offers != tt.offers {
			t.Errorf("%s: %v %t, want %v %t", tt.name, opens, offers, tt.opens, tt.offers)
		}
	}
	if _, offers := (*Policy)(nil).Reopens(night); offers {
		t.Error("no policy has hours")
	}
}
