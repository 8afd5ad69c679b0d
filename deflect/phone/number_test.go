package phone

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNumberMasksItself(t *testing.T) {
	type record struct {
		Number Number
		Parsed Parsed
	}
	n, p := Number("+14043438646"), Parsed{Country: "1", National: "4043438646", E164: "+14043438646", Region: "US"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "number", n, "parsed", p)
	j, err := json.Marshal(record{n, p})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"%v": fmt.Sprintf("%v", n), "%+v": fmt.Sprintf("%+v", record{n, p}), "%#v": fmt.Sprintf("%#v", record{n, p}), "%v of a parsed one": fmt.Sprintf("%v", p),
		"%q": fmt.Sprintf("%q", n), "log": log.String(), "json": string(j),
	} {
		if strings.Contains(got, "343") || !strings.Contains(got, "***46") {
			t.Errorf("%s shows %s", name, got)
		}
	}
	for in, want := range map[Number]string{"": "", "1": "***", "1234": "***", "12345": "***45", "anonymous": "***"} {
		if got := in.String(); got != want {
			t.Errorf("Number(%q) shows %q, want %q", string(in), got, want)
		}
	}
}

func TestHidden(t *testing.T) {
	for _, n := range []Number{"", "anonymous", "Anonymous", "RESTRICTED", " private ", "unavailable", "Unknown"} {
		if !n.Hidden() {
			t.Errorf("%q is not hidden", string(n))
		}
	}
	for _, n := range []Number{"+14043438646", "911", "alice"} {
		if n.Hidden() {
			t.Errorf("%q is hidden", string(n))
		}
	}
}

func TestIsRegion(t *testing.T) {
	for code, want := range map[string]bool{
		"AC": true, "US": true, "ZW": true, "": false, "U": false, "us": false, "UK": false, "001": false, "ZZ": false, "U ": false, " U": false, "S U": false,
	} {
		if IsRegion(code) != want {
			t.Errorf("IsRegion(%q) = %t", code, !want)
		}
	}
}

// Both spellings of a phone whose number was changed.
func TestSpellings(t *testing.T) {
	for _, tt := range []struct{ name, today, before string }{
		{"Brazil", "+5511961234567", "+551161234567"},
		{"Brazil, still valid", "+5511971234567", "+551171234567"},
		{"Benin", "+2290197123456", "+22997123456"},
		{"Argentina", "+541123456789", "+5491123456789"},
		{"Mexico", "+525512345678", "+5215512345678"},
	} {
		for _, n := range []string{tt.today, tt.before} {
			if today, before := Spellings(n); today != tt.today || before != tt.before {
				t.Errorf("%s: %s = %s, %s", tt.name, n, today, before)
			}
		}
	}
	// Numbers of the same countries that never had two spellings, and others.
	for _, n := range []string{"+551123456789", "+5511912345678", "+22912", "+14043438646", "+525", "", "+54"} {
		if today, before := Spellings(n); today != n || before != "" {
			t.Errorf("%s = %s, %s", n, today, before)
		}
	}
}
