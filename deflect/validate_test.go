package deflect

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func validCall() Call {
	return Call{
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start: time.UnixMilli(1528932953100), Accepted: time.UnixMilli(1528932953300),
		ExternalCallID: "1231", Skill: "sales", Text: "Welcome",
	}
}

func testClient(t testing.TB, change func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		SiteID: "38856538", Domain: "va",
		Auth: OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("s"), Token: "t", TokenSecret: NewSecret("ts")},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestValidate(t *testing.T) {
	c := testClient(t, nil)
	type bad struct {
		Field string
		Code  Code
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
		{"any JSON", func(k *Call) {
			k.CallerInfo = map[string]any{"a": 1, "b": []any{nil, true, "x"}, "c": map[string]any{"d": 1.5}}
		}, nil, ""},

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
		{"backwards", func(k *Call) { k.Accepted = k.Start.Add(-time.Millisecond) }, []bad{{"Accepted", CodeTimeOrder}}, ReasonInvalidCall},
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
		{"info not JSON", func(k *Call) { k.CallerInfo = map[string]any{"a": math.NaN()} }, []bad{{"CallerInfo", CodeNotJSON}}, ReasonInvalidCall},
		{"info with a control character", func(k *Call) { k.CallerInfo = map[string]any{"a": []string{"\x00"}} }, []bad{{"CallerInfo", CodeCharacters}}, ReasonInvalidCall},
		{"info without end", func(k *Call) {
			m := map[string]any{}
			m["m"] = m
			k.CallerInfo = m
		}, []bad{{"CallerInfo", CodeCharacters}}, ReasonInvalidCall},
		{"large info", func(k *Call) { k.CallerInfo = map[string]any{"a": strings.Repeat("x", maxInfoBytes)} }, []bad{{"CallerInfo", CodeTooLong}}, ReasonInvalidCall},

		{"everything at once", func(k *Call) {
			*k = Call{ANI: "alice", Digits: "x", Text: "\x00", CustomerID: "1", Accepted: time.Unix(1, 0)}
		}, []bad{
			{"ANI", CodeNotANumber}, {"DNIS", CodeMissing}, {"Digits", CodeCharacters}, {"Start", CodeMissing},
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
