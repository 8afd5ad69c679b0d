package livedeflect

import (
	"bytes"
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// judge says what an answer means. readErr is why the body is incomplete.
//
// A nonce of ours that was used before came twice: something on the way delivered
// the request again, and its first copy may have sent a text. A refusal that is cut
// off may have been about to say so.
func judge(status int, header http.Header, body []byte, readErr error) deflect.Attempt {
	a, jsonErr := parseAnswer(body)
	parseErr := jsonErr
	if readErr != nil {
		parseErr = readErr
	}
	v := deflect.Attempt{Status: status}
	apiErr := &APIError{Status: status, Message: a.message}
	v.Err = apiErr
	refuse := func(r deflect.Reason) deflect.Attempt { v.Outcome, v.Reason = deflect.Failed, r; return v }
	doubt := func(r deflect.Reason, err error) deflect.Attempt {
		v.Outcome, v.Reason, apiErr.Err = deflect.Uncertain, r, err
		return v
	}
	switch {
	case status >= 200 && status < 300:
		switch {
		case parseErr != nil && saysNonce(body):
			return doubt(deflect.ReasonInvalidNonce, nil)
		case parseErr != nil:
			return doubt(deflect.ReasonBadResponse, parseErr)
		case a.success && saysNonce(body):
			return doubt(deflect.ReasonInvalidNonce, nil) // it contradicts itself
		case a.success:
			v.Outcome, v.Reason, v.CallID, v.Err = deflect.Sent, deflect.ReasonOK, a.callID, nil
			return v
		case saysNonce(body):
			return doubt(deflect.ReasonInvalidNonce, nil)
		case a.said || a.refused && a.callID == "":
			return refuse(deflect.ReasonRejected)
		}
		return doubt(deflect.ReasonBadResponse, errSaysNothing)
	case status >= 300 && status < 500 && saysNonce(body):
		return doubt(deflect.ReasonInvalidNonce, nil)
	case status >= 300 && status < 400:
		return refuse(deflect.ReasonRedirected)
	case status >= 400 && status < 500 && readErr != nil && readErr != wire.ErrLargeAnswer && a.message == "":
		return doubt(deflect.ReasonBadResponse, readErr)
	case status >= 400 && status < 500 && jsonErr != nil && wire.Unfinished(body):
		return doubt(deflect.ReasonBadResponse, jsonErr) // perhaps before it says why
	case status == http.StatusTooManyRequests:
		v.RetryAfter = wire.RetryAfter(header)
		return refuse(deflect.ReasonRateLimited)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return refuse(deflect.ReasonUnauthorized)
	case status >= 400 && status < 500:
		return refuse(deflect.ReasonRejected)
	}
	return doubt(deflect.ReasonServerError, nil)
}

// saysNonce reports whether an answer says that the nonce was used before, wherever and in
// whatever form: the stored versions of the vendor's text differ, and who takes it for a
// refusal may text twice.
func saysNonce(body []byte) bool { return bytes.Contains(bytes.ToLower(body), []byte("invalid nonce")) }
