package deflect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxAnswerBytes  = 64 << 10
	maxMessageBytes = 256
)

// verdict is what one attempt came to.
type verdict struct {
	outcome    Outcome
	reason     Reason
	status     int
	callID     string
	retryAfter time.Duration // what a 429 asks for; negative without a usable Retry-After
	err        error
}

// answer is what an API answer says.
type answer struct {
	said    bool // success was there and could be read
	success bool
	callID  string
	refused bool   // there was an error, which a success has not
	message string // error or message, cleaned
}

var errSaysNothing = errors.New("the answer holds no success")

// judge turns an answer into a verdict. readErr is why the body is incomplete.
func judge(status int, header http.Header, body []byte, readErr error) verdict {
	a, parseErr := parseAnswer(body)
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
		case parseErr != nil:
			return doubt(ReasonBadResponse, parseErr)
		case a.success:
			v.outcome, v.reason, v.callID, v.err = Sent, ReasonOK, a.callID, nil
			return v
		case a.refused && a.callID == "" && isNonce(a.message):
			return refuse(ReasonInvalidNonce)
		case a.said || a.refused && a.callID == "":
			return refuse(ReasonRejected)
		}
		return doubt(ReasonBadResponse, errSaysNothing)
	case status >= 300 && status < 400:
		return refuse(ReasonRedirected)
	case status == http.StatusTooManyRequests:
		v.retryAfter = retryAfter(header.Get("Retry-After"))
		return refuse(ReasonRateLimited)
	case status >= 400 && status < 500 && isNonce(a.message):
		return refuse(ReasonInvalidNonce)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return refuse(ReasonUnauthorized)
	case status >= 400 && status < 500:
		return refuse(ReasonRejected)
	}
	return doubt(ReasonServerError, nil)
}

// isNonce matches the prefix only: the stored versions of the vendor's text
// differ in their dashes and quotes.
func isNonce(message string) bool {
	const prefix = "invalid nonce"
	return len(message) >= len(prefix) && strings.EqualFold(message[:len(prefix)], prefix)
}

// parseAnswer reads an answer. Names are matched exactly; success and callId may
// be strings or what JSON has for them, because the vendor's pages show both.
func parseAnswer(body []byte) (answer, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return answer{}, errors.New("the answer is not a JSON object")
	}
	var a answer
	switch strings.ToLower(strings.TrimSpace(scalar(fields["success"]))) {
	case "true":
		a.said, a.success = true, true
	case "false":
		a.said = true
	}
	if id := scalar(fields["callId"]); callIDForm.MatchString(id) {
		a.callID = id
	}
	a.message = clean(scalar(fields["error"]))
	a.refused = a.message != ""
	if !a.refused {
		a.message = clean(scalar(fields["message"]))
	}
	return a, nil
}

var callIDForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// scalar returns a JSON string's text, or the literal of a number or boolean;
// null and an absent field are empty.
func scalar(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	return string(raw)
}

// clean makes a stranger's text fit for an error: printable, short, and without
// telephone numbers, which an API may well echo.
func clean(s string) string {
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
	s = maskNumbers(s)
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

// readAnswer reads an answer through a limit.
func readAnswer(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswerBytes+1))
	if err == nil && len(body) > maxAnswerBytes {
		err = errors.New("the answer is larger than 64 KiB")
	}
	return body, err
}
