package clean

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestMaskNumbers(t *testing.T) {
	tests := map[string]string{
		"14043438646":                 "***46",
		"+1 (404) 343-8646 opted out": "+***46 opted out",
		"404_343_8646":                "***46",
		"404,343:8646":                "***46",
		"404\u2013343\u20138646":      "***46",
		"\uff14\uff10\uff14\uff13\uff14\uff13\uff18\uff16\uff14\uff16": "***\uff14\uff16",
		"callId 473513 and 473514":                                     "callId 473513 and 473514",
		"at 12:30, code 42":                                            "at 12:30, code 42",
		"to 4043438646 from 8005550100.":                               "to ***46 from ***00.",
		"":                                                             "",
	}
	for in, want := range tests {
		if got := maskNumbers(in); got != want {
			t.Errorf("maskNumbers(%q) = %q, want %q", in, got, want)
		}
	}
}

// What was refused may be quoted by who refused it.
func TestTokensDoNotShow(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln_bmF0-dXJl"
	for in, want := range map[string]string{
		"invalid token " + jwt + ", expired":                "invalid token [token], expired",
		"Authorization: bearer\t" + strings.Repeat("x", 40): "Authorization: [token]",
		"Bearer authentication is required":                 "Bearer authentication is required",
		"eyJ is no token":                                   "eyJ is no token",
		strings.Repeat("a ", 100) + jwt:                     strings.Repeat("a ", 100) + "[token]",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Addresses are for whoever operates it, in errors that are of the network.
func TestAddressesStayInNetworkErrors(t *testing.T) {
	tls := func(s string) error {
		return fmt.Errorf("%s: %w", s, &net.OpError{Op: "remote error", Err: errors.New("x")})
	}
	for in, want := range map[string]string{
		"certificate is valid for 127.0.0.1, 10.11.12.13, not 192.168.101.202": "certificate is valid for 127.0.0.1, 10.11.12.13, not 192.168.101.202",
		"dial 192.168.101.202:8443 failed":                                     "dial 192.168.101.202:8443 failed",
		"dial [2001:db8::1234:5678]:443 failed":                                "dial [2001:db8::1234:5678]:443 failed",
		"not 2001:db8:1234:5678::9":                                            "not 2001:db8:1234:5678::9",
		"4043438646 at 192.168.101.202":                                        "***46 at 192.168.101.202",
		"404.343.8646":                                                         "***46",
		"+14043438646":                                                         "+***46",
	} {
		if got := (Error{Err: tls(in)}).Error(); !strings.HasPrefix(got, want+":") {
			t.Errorf("%q became %q", in, got)
		}
		if got := (Error{Err: errors.New("40.43.43.86")}).Error(); got != "***86" {
			t.Errorf("a number in the form of an address became %q", got)
		}
	}
}

// What panics say may quote what they were given.
func TestPanicQuotesNobody(t *testing.T) {
	for _, p := range []any{"Jane Doe", errors.New("Jane Doe"), fmt.Errorf("Jane: %w", errors.New("x"))} {
		func() {
			defer func() {
				if text := Panic(recover()); strings.Contains(text, "Jane") || !strings.Contains(text, "at clean_test.go:") {
					t.Errorf("%q", text)
				}
			}()
			panic(p)
		}()
	}
	func() {
		defer func() {
			if text := Panic(recover()); !strings.Contains(text, "index out of range") || !strings.Contains(text, "at clean_test.go:") {
				t.Errorf("%q", text)
			}
		}()
		_ = []int{}[len(t.Name())]
	}()
}
