package deflect

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

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
