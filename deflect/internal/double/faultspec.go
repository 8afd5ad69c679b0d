package double

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// faultFlags are the words for the faults that are only on or off.
var faultFlags = [...]struct {
	word string
	flag func(*Fault) *bool
}{
	{"conn-refused", func(f *Fault) *bool { return &f.ConnRefused }},
	{"reset-before", func(f *Fault) *bool { return &f.ResetBefore }},
	{"hang", func(f *Fault) *bool { return &f.Hang }},
	{"invalid-nonce", func(f *Fault) *bool { return &f.InvalidNonce }},
	{"success-false", func(f *Fault) *bool { return &f.SuccessFalse }},
	{"no-text", func(f *Fault) *bool { return &f.NoText }},
	{"success-bool", func(f *Fault) *bool { return &f.SuccessBool }},
	{"hang-after", func(f *Fault) *bool { return &f.HangAfterProcessing }},
	{"delivered-twice", func(f *Fault) *bool { return &f.DeliveredTwice }},
	{"reset-after", func(f *Fault) *bool { return &f.ResetAfter }},
	{"garbage", func(f *Fault) *bool { return &f.Garbage }},
	{"truncate", func(f *Fault) *bool { return &f.Truncate }},
	{"gzip", func(f *Fault) *bool { return &f.Gzip }},
}

// ParseFault reads a fault as a person types it: words with commas between
// them, such as "status=429,retry-after=1". The words are delay=DURATION,
// conn-refused, reset-before, hang, redirect=URL, status=CODE,
// status-after=CODE (the text is sent), invalid-nonce, success-false, no-text,
// success-bool, hang-after, delivered-twice, reset-after, garbage, truncate, gzip,
// retry-after=VALUE and, last because it may hold commas, body=TEXT.
func ParseFault(s string) (Fault, error) {
	var f Fault
	seen := map[string]bool{}
	for rest, more := s, true; more; {
		var item string
		if strings.HasPrefix(rest, "body=") {
			item, more = rest, false
		} else {
			item, rest, more = strings.Cut(rest, ",")
		}
		word, value, hasValue := strings.Cut(item, "=")
		if seen[word] {
			return Fault{}, fmt.Errorf("parse fault: %q comes twice", word)
		}
		seen[word] = true
		if err := f.set(word, value, hasValue); err != nil {
			return Fault{}, fmt.Errorf("parse fault: %w", err)
		}
	}
	if len(f.kinds()) > 1 || seen["status"] && seen["status-after"] {
		return Fault{}, fmt.Errorf("parse fault: %q names several faults that exclude each other", s)
	}
	return f, nil
}

// set takes one word of a fault.
func (f *Fault) set(word, value string, hasValue bool) (err error) {
	for _, known := range faultFlags {
		if known.word == word {
			if hasValue {
				return fmt.Errorf("%q takes no value", word)
			}
			*known.flag(f) = true
			return nil
		}
	}
	switch word {
	case "delay":
		f.Delay, err = time.ParseDuration(value)
		if err != nil || f.Delay <= 0 {
			return fmt.Errorf("delay %q is not a positive duration such as 2s", value)
		}
	case "status", "status-after":
		f.Status, err = strconv.Atoi(value)
		f.StatusAfterProcessing = word == "status-after"
		if err != nil || f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("%s %q is not a status from 200 to 599", word, value)
		}
	case "redirect":
		f.Redirect = value
	case "retry-after":
		f.RetryAfter = value
	case "body":
		f.Body = value
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	if value == "" {
		return fmt.Errorf("%q needs a value", word)
	}
	return nil
}

// String writes the fault as ParseFault reads it. The zero Fault is "".
func (f Fault) String() string {
	if f == (Fault{}) {
		return ""
	}
	var words []string
	add := func(set bool, word, value string) {
		if set {
			words = append(words, word+value)
		}
	}
	add(f.Delay != 0, "delay=", f.Delay.String())
	add(f.Redirect != "", "redirect=", f.Redirect)
	add(f.Status != 0 && !f.StatusAfterProcessing, "status=", strconv.Itoa(f.Status))
	add(f.Status != 0 && f.StatusAfterProcessing, "status-after=", strconv.Itoa(f.Status))
	for _, known := range faultFlags {
		add(*known.flag(&f), known.word, "")
	}
	add(f.RetryAfter != "", "retry-after=", f.RetryAfter)
	add(f.Body != "", "body=", f.Body)
	return strings.Join(words, ",")
}
