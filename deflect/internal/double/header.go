package double

import (
	"mime"
	"strings"
)

// CheckHeader holds what a request says of its body, and of the answer, against what
// LivePerson asks for.
func CheckHeader(a *Arrival) (problems []string) {
	kind, attributes, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	charset, other := attributes["charset"]
	if err != nil || kind != JSONType || other && !strings.EqualFold(charset, "utf-8") {
		problems = append(problems, "Content-Type must be application/json")
	}
	if !acceptsJSON(a.Header.Values("Accept")) {
		problems = append(problems, "Accept must be application/json")
	}
	if a.Header.Get("Content-Encoding") != "" {
		problems = append(problems, "Content-Encoding must not be set")
	}
	return problems
}

func acceptsJSON(accept []string) bool {
	for kind := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if kind, _, err := mime.ParseMediaType(kind); err == nil && kind == JSONType {
			return true
		}
	}
	return false
}

// DigitsOnly is false for the empty string.
func DigitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
