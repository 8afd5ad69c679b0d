package deflect

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	c := testClient(t, nil)
	type bad struct {
		Field string
		Code  FieldCode
	}
	tests := []struct {
		name   string
		change func(*Call)
		want   []bad
		reason Reason // of Check; empty means none
	}{
		{"valid", func(*Call) {}, nil, ""},
		{"accepted now", func(k *Call) { k.Accepted = time.Time{} }, nil, ""},
		{"accepted at once", func(k *Call) { k.Accepted = k.Start }, nil, ""},
		{"override instead of a hidden number", func(k *Call) { k.ANI, k.NumberOverride = "anonymous", "+14043438646" }, nil, ""},
		{"text with a line break", func(k *Call) { k.Text = "a\nb" }, nil, ""},
		{"longest text", func(k *Call) { k.Text = strings.Repeat("ü", 1600) }, nil, ""},
		{"whole customer id", func(k *Call) { k.CustomerID, k.CustomerIDDescriptor = "1", "CRM" }, nil, ""},

		{"no number", func(k *Call) { k.ANI = "" }, []bad{{"ANI", CodeMissing}}, ReasonNumberHidden},
		{"hidden", func(k *Call) { k.ANI = "anonymous" }, []bad{{"ANI", CodeHidden}}, ReasonNumberHidden},
		{"too short", func(k *Call) { k.ANI = "911" }, []bad{{"ANI", CodeNotANumber}}, ReasonNumberInvalid},
		{"not a number", func(k *Call) { k.ANI = "alice" }, []bad{{"ANI", CodeNotANumber}}, ReasonNumberInvalid},
		{"landline", func(k *Call) { k.ANI = "+493012345678" }, []bad{{"ANI", CodeFixedLine}}, ReasonNumberFixedLine},
		{"premium rate", func(k *Call) { k.ANI = "+19005551234" }, []bad{{"ANI", CodeNotTextable}}, ReasonNumberNotTextable},
		{"bad override", func(k *Call) { k.NumberOverride = "12" }, []bad{{"NumberOverride", CodeNotANumber}}, ReasonNumberInvalid},
		{"no dialled number", func(k *Call) { k.DNIS = "" }, []bad{{"DNIS", CodeMissing}}, ReasonInvalidCall},
		{"extension dialled", func(k *Call) { k.DNIS = "1000" }, []bad{{"DNIS", CodeNotANumber}}, ReasonInvalidCall},
		{"no start", func(k *Call) { k.Start = time.Time{} }, []bad{{"Start", CodeMissing}}, ReasonInvalidCall},
		{"before 1970", func(k *Call) { k.Start = time.Unix(-1, 0) }, []bad{{"Start", CodeTimeOrder}}, ReasonInvalidCall},
		{"backwards", func(k *Call) { k.Accepted = k.Start.Add(-clockSlack - time.Millisecond) }, []bad{{"Accepted", CodeTimeOrder}}, ReasonInvalidCall},
		{"no id", func(k *Call) { k.ExternalCallID = " " }, []bad{{"ExternalCallID", CodeMissing}}, ReasonInvalidCall},
		{"no skill", func(k *Call) { k.Skill = "" }, []bad{{"Skill", CodeMissing}}, ReasonInvalidCall},
		{"long text", func(k *Call) { k.Text = strings.Repeat("x", 1601) }, []bad{{"Text", CodeTooLong}}, ReasonInvalidCall},
		{"control character", func(k *Call) { k.Text = "a\x07" }, []bad{{"Text", CodeCharacters}}, ReasonInvalidCall},
		{"C1 control", func(k *Call) { k.FirstName = "a\u0085" }, []bad{{"FirstName", CodeCharacters}}, ReasonInvalidCall},
		{"line break in a name", func(k *Call) { k.LastName = "a\nb" }, []bad{{"LastName", CodeCharacters}}, ReasonInvalidCall},
		{"invalid UTF-8", func(k *Call) { k.Text = "a\xff" }, []bad{{"Text", CodeCharacters}}, ReasonInvalidCall},
		{"not DTMF", func(k *Call) { k.Digits = "12x" }, []bad{{"Digits", CodeCharacters}}, ReasonInvalidCall},
		{"many digits", func(k *Call) { k.Digits = strings.Repeat("1", 65) }, []bad{{"Digits", CodeTooLong}}, ReasonInvalidCall},
		{"id without descriptor", func(k *Call) { k.CustomerID = "1" }, []bad{{"CustomerIDDescriptor", CodeHalfPair}}, ReasonInvalidCall},
		{"descriptor without id", func(k *Call) { k.CustomerIDDescriptor = "CRM" }, []bad{{"CustomerID", CodeHalfPair}}, ReasonInvalidCall},

		{"everything at once", func(k *Call) {
			*k = Call{ANI: "alice", Digits: "x", Text: "\x00", CustomerID: "1", Accepted: time.Unix(1, 0)}
		}, []bad{
			{"ANI", CodeNotANumber}, {"DNIS", CodeMissing}, {"Digits", CodeCharacters}, {"Accepted", CodeTimeOrder}, {"Start", CodeMissing},
			{"ExternalCallID", CodeMissing}, {"Skill", CodeMissing}, {"Text", CodeCharacters}, {"CustomerIDDescriptor", CodeHalfPair},
		}, ReasonNumberInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call := validCall()
			tt.change(&call)
			_, problems := c.setup.Load().validate(call, time.Now())
			var got []bad
			for _, p := range problems {
				got = append(got, bad{p.Field, p.Code})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			err := c.Check(t.Context(), call)
			if tt.reason == "" {
				if err != nil {
					t.Errorf("Check = %v", err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Reason != tt.reason || e.Outcome != Ineligible || !errors.Is(err, ErrInvalidCall) || !NotSent(err) {
				t.Errorf("Check = %v, want reason %s", err, tt.reason)
			}
			var p *ValidationError
			if !errors.As(err, &p) {
				t.Errorf("Check = %v holds no *ValidationError", err)
			}
		})
	}
}

// What a problem says must not repeat the value: it may be a number or a name.
func TestProblemsHoldNoValues(t *testing.T) {
	c := testClient(t, nil)
	call := validCall()
	call.ANI, call.DNIS, call.FirstName, call.Digits = "+4930123456789999", "1000555", "Jane\x01Secret", "99x12345"
	err := c.Check(t.Context(), call)
	if err == nil {
		t.Fatal("Check accepted it")
	}
	for _, s := range []string{"12345", "1000555", "Jane", "Secret"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the error shows %q: %v", s, err)
		}
	}
}

// Clocks differ by minutes; what is further off is a mistake, and said of the field that
// has it. What is sent is in its order, not in the future, and has as many digits as times have.
func TestTimes(t *testing.T) {
	const slack, oldest = 10 * time.Minute, 31 * 24 * time.Hour // as Call says
	farPast, farFuture := time.Unix(0, 0), time.Unix(1<<62, 0)
	now := time.Now()
	at := func(d time.Duration) time.Time { return now.Add(d) }
	tests := []struct {
		name            string
		start, accepted time.Time
		bad             string // the field, if any
		wantStart       time.Duration
		wantAccepted    time.Duration
	}{
		{"as always", at(-time.Minute), at(-time.Second), "", -time.Minute, -time.Second},
		{"accepted now", at(-time.Minute), time.Time{}, "", -time.Minute, 0},
		{"start a little ahead", at(time.Second), time.Time{}, "", 0, 0},
		{"start a little ahead of accepted", at(-time.Second), at(-time.Minute), "", -time.Minute, -time.Minute},
		{"start as far ahead as may be", at(slack), time.Time{}, "", 0, 0},
		{"both ahead", at(slack), at(slack), "", 0, 0},
		{"accepted ahead", at(-time.Minute), at(slack), "", -time.Minute, 0},
		{"long ago", at(-oldest), at(-oldest), "", -oldest, -oldest},
		{"start in the future", at(slack + time.Millisecond), time.Time{}, "Start", 0, 0},
		{"accepted in the future", at(-time.Minute), at(slack + time.Millisecond), "Accepted", 0, 0},
		{"accepted before the start", at(-time.Second), at(-time.Second - slack - time.Millisecond), "Accepted", 0, 0},
		{"start too long ago", at(-oldest - time.Millisecond), time.Time{}, "Start", 0, 0},
		{"accepted too long ago", at(-time.Minute), at(-oldest - time.Millisecond), "Accepted", 0, 0},
		{"start of a clock never set", farPast, time.Time{}, "Start", 0, 0},
		{"start for ever ahead", farFuture, time.Time{}, "Start", 0, 0},
		{"accepted for ever ahead", at(-time.Minute), farFuture, "Accepted", 0, 0},
		{"start for ever ago", time.Unix(-1<<62, 0), time.Time{}, "Start", 0, 0},
		{"seconds for milliseconds", time.UnixMilli(now.Unix()), time.Time{}, "Start", 0, 0},
		{"milliseconds for seconds", time.Unix(now.UnixMilli(), 0), time.Time{}, "Start", 0, 0},
	}
	s := testClient(t, nil).setup.Load()
	for _, tt := range tests {
		for _, wall := range []bool{false, true} {
			call := validCall()
			call.Start, call.Accepted = tt.start, tt.accepted
			if wall { // as it comes from another machine
				call.Start, call.Accepted = tt.start.Round(0), tt.accepted.Round(0)
			}
			k, problems := s.validate(call, now)
			if tt.bad != "" {
				if len(problems) != 1 || problems[0].Field != tt.bad || problems[0].Code != CodeTimeOrder {
					t.Errorf("%s: %v, want a problem of %s", tt.name, problems, tt.bad)
				}
				continue
			}
			got, want := []time.Time{k.Call.Start, k.Call.Accepted}, []time.Time{now.Add(tt.wantStart).Round(0), now.Add(tt.wantAccepted).Round(0)}
			if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
				t.Errorf("%s: %v; sent (-want +got):\n%s", tt.name, problems, diff)
			}
		}
	}
}

// FuzzTimes: whatever the times are, those that pass are times of about now.
func FuzzTimes(f *testing.F) {
	now := time.Now()
	f.Add(now.Unix(), int64(0), now.Unix(), int64(0))
	f.Add(int64(1<<62), int64(1), int64(-1<<62), int64(-1))
	s := testClient(f, nil).setup.Load()
	f.Fuzz(func(t *testing.T, start, startNanos, accepted, acceptedNanos int64) {
		call := validCall()
		call.Start, call.Accepted = time.Unix(start, startNanos), time.Unix(accepted, acceptedNanos)
		now := time.Now()
		k, problems := s.validate(call, now)
		if len(problems) > 0 {
			return
		}
		// In milliseconds and in seconds, as backends send them.
		for _, epoch := range []func(time.Time) string{
			func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }, func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		} {
			begin, accept := epoch(k.Call.Start), epoch(k.Call.Accepted)
			if begin > accept || len(begin) != len(epoch(now)) || len(accept) != len(begin) || accept > epoch(now) {
				t.Errorf("sent %s and %s", begin, accept)
			}
		}
	})
}
