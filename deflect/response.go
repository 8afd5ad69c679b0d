package deflect

import (
	"bytes"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const maxMessageBytes = 256

// verdict is what one attempt came to.
type verdict struct {
	outcome    Outcome
	reason     Reason
	status     int
	callID     string
	retryAfter time.Duration // what a 429 asks for; negative without a usable Retry-After
	err        error
	known      bool   // the connection broke, as another request has told before
	told       Reason // of the attempt, when the wait for the next one was cancelled
}

// judge turns an answer into a verdict. readErr is why the body is incomplete.
//
// A nonce of ours that was used before came twice: something on the way delivered
// the request again, and its first copy may have sent a text. A refusal that is cut
// off may have been about to say so.
func judge(status int, header http.Header, body []byte, readErr error) verdict {
	a, jsonErr := parseAnswer(body)
	parseErr := jsonErr
	if readErr != nil {
		parseErr = readErr
	}
	v := verdict{status: status, retryAfter: -1}
	apiErr := &APIError{Status: status, Message: a.message}
	v.err = apiErr
	refuse := func(r Reason) verdict { v.outcome, v.reason = Failed, r; return v }
	doubt := func(r Reason, err error) verdict {
		v.outcome, v.reason, apiErr.Err = Uncertain, r, err
		return v
	}
	switch {
	case status >= 200 && status < 300:
		switch {
		case parseErr != nil && saysNonce(body):
			return doubt(ReasonInvalidNonce, nil)
		case parseErr != nil:
			return doubt(ReasonBadResponse, parseErr)
		case a.success && saysNonce(body):
			return doubt(ReasonInvalidNonce, nil) // it contradicts itself
		case a.success:
			v.outcome, v.reason, v.callID, v.err = Sent, ReasonOK, a.callID, nil
			return v
		case saysNonce(body):
			return doubt(ReasonInvalidNonce, nil)
		case a.said || a.refused && a.callID == "":
			return refuse(ReasonRejected)
		}
		return doubt(ReasonBadResponse, errSaysNothing)
	case status >= 300 && status < 500 && saysNonce(body):
		return doubt(ReasonInvalidNonce, nil)
	case status >= 300 && status < 400:
		return refuse(ReasonRedirected)
	case status >= 400 && status < 500 && readErr != nil && readErr != errLargeAnswer && a.message == "":
		return doubt(ReasonBadResponse, readErr)
	case status >= 400 && status < 500 && jsonErr != nil && unfinished(body):
		return doubt(ReasonBadResponse, jsonErr) // perhaps before it says why
	case status == http.StatusTooManyRequests:
		v.retryAfter = retryAfter(header.Get("Retry-After"))
		return refuse(ReasonRateLimited)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return refuse(ReasonUnauthorized)
	case status >= 400 && status < 500:
		return refuse(ReasonRejected)
	}
	return doubt(ReasonServerError, nil)
}

// unfinished reports whether what is no JSON may have been: it is cut off, or still compressed.
func unfinished(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || bytes.HasPrefix(body, []byte("\x1f\x8b"))
}

// saysNonce reports whether an answer says that the nonce was used before, wherever and in
// whatever form: the stored versions of the vendor's text differ, and who takes it for a
// refusal may text twice.
func saysNonce(body []byte) bool { return bytes.Contains(bytes.ToLower(body), []byte("invalid nonce")) }

// clean makes a stranger's text fit for an error: printable, short, and without
// telephone numbers, which an API may well echo.
func clean(s string) string { return cleanBut(s, nil) }

// addressForm is what may be an address, with a port or without.
var addressForm = regexp.MustCompile(`\[?[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f](%[a-z0-9]+)?\]?(:[0-9]{1,5})?`)

// addresses finds the network addresses in a text.
func addresses(s string) (found [][]int) {
	for _, at := range addressForm.FindAllStringIndex(s, -1) {
		text := s[at[0]:at[1]]
		if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err != nil {
			if _, err := netip.ParseAddrPort(text); err != nil {
				continue
			}
		}
		found = append(found, at)
	}
	return found
}

// cleanBut is clean, which leaves the numbers at the places that keep finds.
func cleanBut(s string, keep func(string) [][]int) string {
	if s == "" {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	var masked strings.Builder
	from := 0
	if keep != nil {
		for _, at := range keep(s) {
			masked.WriteString(maskNumbers(s[from:at[0]]))
			masked.WriteString(s[at[0]:at[1]])
			from = at[1]
		}
	}
	masked.WriteString(maskNumbers(s[from:]))
	s = masked.String()
	if len(s) > maxMessageBytes {
		s = strings.ToValidUTF8(s[:maxMessageBytes-3], "") + "..."
	}
	return s
}

// maskNumbers masks what has seven digits or more, to the last two. Digits of
// any script belong together when at most three runes that are neither letters
// nor digits are between them, however a number is written.
func maskNumbers(s string) string {
	var out []rune
	var group []rune // from a digit to the last digit of the same number
	var between []rune
	digits := 0
	flush := func() {
		if digits >= 7 {
			var last []rune
			for _, r := range group {
				if unicode.IsDigit(r) {
					last = append(last, r)
				}
			}
			group = append([]rune("***"), last[len(last)-2:]...)
		}
		out = append(append(out, group...), between...)
		group, between, digits = nil, nil, 0
	}
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			group = append(append(group, between...), r)
			between = nil
			digits++
		case digits > 0 && !unicode.IsLetter(r) && len(between) < 3:
			between = append(between, r)
		default:
			flush()
			out = append(out, r)
		}
	}
	flush()
	return string(out)
}

// retryAfter reads a Retry-After header; negative when there is none to use.
func retryAfter(h string) time.Duration {
	h = strings.TrimSpace(h)
	if s, err := strconv.ParseUint(h, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(0, time.Until(t))
	}
	return -1
}
