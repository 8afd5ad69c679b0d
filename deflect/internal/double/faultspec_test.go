package double

import (
	"strings"
	"testing"
	"time"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec string
		want Fault
	}{
		{"status=500", Fault{Status: 500}},
		{"status=429,retry-after=1", Fault{Status: 429, RetryAfter: "1"}},
		{"delay=2s", Fault{Delay: 2 * time.Second}},
		{"delay=1.5s,status-after=502", Fault{Delay: 1500 * time.Millisecond, Status: 502, StatusAfterProcessing: true}},
		{"conn-refused", Fault{ConnRefused: true}},
		{"reset-before", Fault{ResetBefore: true}},
		{"hang", Fault{Hang: true}},
		{"invalid-nonce", Fault{InvalidNonce: true}},
		{"success-false,success-bool", Fault{SuccessFalse: true, SuccessBool: true}},
		{"hang-after,truncate", Fault{HangAfterProcessing: true, Truncate: true}},
		{"no-text,success-bool", Fault{NoText: true, SuccessBool: true}},
		{"delivered-twice", Fault{DeliveredTwice: true}},
		{"reset-after", Fault{ResetAfter: true}},
		{"garbage", Fault{Garbage: true}},
		{"status=500,gzip", Fault{Status: 500, Gzip: true}},
		{"redirect=https://example.com/a?b=c,status=302", Fault{Redirect: "https://example.com/a?b=c", Status: 302}},
		{"status=500,body=a, b=c,hang", Fault{Status: 500, Body: "a, b=c,hang"}},
	} {
		got, err := ParseFault(tt.spec)
		if err != nil || got != tt.want {
			t.Errorf("ParseFault(%q) = %+v, %v, want %+v", tt.spec, got, err, tt.want)
		}
		again, err := ParseFault(got.String())
		if err != nil || again != got {
			t.Errorf("ParseFault(%q) = %+v, %v, want %+v", got.String(), again, err, got)
		}
	}
	if got := (Fault{}).String(); got != "" {
		t.Errorf("got %q for no fault", got)
	}
}

func TestParseFaultRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ spec, want string }{
		{"", `unknown word ""`},
		{"explode", `unknown word "explode"`},
		{"hang ", `unknown word "hang "`},
		{"hang=yes", `"hang" takes no value`},
		{"hang,", `unknown word ""`},
		{"truncate,truncate", `"truncate" comes twice`},
		{"status", `status "" is not a status from 200 to 599`},
		{"status=abc", `status "abc" is not a status from 200 to 599`},
		{"status-after=100", `status-after "100" is not a status from 200 to 599`},
		{"delay=2", `delay "2" is not a positive duration such as 2s`},
		{"delay=-2s", `delay "-2s" is not a positive duration such as 2s`},
		{"redirect=", `"redirect" needs a value`},
		{"body=", `"body" needs a value`},
		{"hang,status=500", "several faults that exclude each other"},
		{"status=500,status-after=500", "several faults that exclude each other"},
		{"no-text,success-false", "several faults that exclude each other"},
		{"reset-before,reset-after", "several faults that exclude each other"},
	} {
		got, err := ParseFault(tt.spec)
		if err == nil || !strings.Contains(err.Error(), tt.want) || got != (Fault{}) {
			t.Errorf("ParseFault(%q) = %+v, %v, want an error with %q", tt.spec, got, err, tt.want)
		}
	}
}
