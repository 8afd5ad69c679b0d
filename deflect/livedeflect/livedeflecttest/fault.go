package livedeflecttest

import (
	"net/http"
	"time"
)

// Fault is a way to fail. Every fault is said to strike before the request is
// processed, so that no text is sent, or after it, so that the text is sent
// although the client does not learn it. A request that the double refuses
// anyway is never processed; a fault that strikes after processing then spoils
// the refusal.
//
// The request is judged first whatever the fault: a well signed request burns
// its nonce even if the fault answers for it.
//
// For a report there is no text, and faults before and after processing are
// the same. NoText does nothing there.
//
// Delay and RetryAfter go with any fault; Truncate, Gzip and Body with those that
// answer; SuccessBool, Truncate and Gzip may stand alone. Of the others one decides,
// the first in the order of the fields; ParseFault refuses several.
type Fault struct {
	// Delay waits before the answer or before the fault. The request has been
	// judged and processed by then: a client that gives up meanwhile has sent
	// its text.
	Delay time.Duration

	// ConnRefused: no connection. Nothing arrives, nothing is recorded. Only
	// RoundTrip can do this; over a socket it is ResetBefore.
	ConnRefused bool

	// ResetBefore: the connection is reset. No text.
	ResetBefore bool

	// Hang: no answer until the client gives up. No text.
	Hang bool

	// Redirect: status 307, or Status, with this Location. No text.
	Redirect string

	// Status: this status with an error as body. No text, unless
	// StatusAfterProcessing says that it comes from something that lost the
	// answer on its way.
	Status                int
	StatusAfterProcessing bool

	// InvalidNonce: a request in order is refused as if its nonce had been used
	// before. No text.
	InvalidNonce bool

	// SuccessFalse: a request in order is answered 200 with success "false".
	// No text.
	SuccessFalse bool

	// NoText: a request in order is answered as always, with a callId, but no
	// text goes out, then or later. Reports show the call without one.
	NoText bool

	// SuccessBool: success is a boolean in the answer, not a string. The text
	// is sent, unless SuccessFalse is set too.
	SuccessBool bool

	// HangAfterProcessing: no answer until the client gives up. The text is
	// sent. Together with Truncate the client gets half an answer first.
	HangAfterProcessing bool

	// DeliveredTwice: something on the way delivered the request twice, and the
	// client gets the answer to the second copy, whose nonce had been used. The
	// text is sent, by the first one.
	DeliveredTwice bool

	// ResetAfter: the connection is reset. The text is sent.
	ResetAfter bool

	// Garbage: status 200 with a body that is not JSON. The text is sent.
	Garbage bool

	// Truncate: the answer, whichever it is, breaks off in the middle of its
	// body. The text is sent, unless something above prevents it.
	Truncate bool

	// Gzip: the answer, whichever it is, comes compressed, whatever the request
	// accepts: so do some proxies. The text is sent, unless something above
	// prevents it.
	Gzip bool

	// RetryAfter is sent as the Retry-After header.
	RetryAfter string

	// Body replaces the body of the answer, whichever it is.
	Body string
}

// faultKind is the one fault that decides, in the order in which they do.
type faultKind int

const (
	noFault faultKind = iota
	connRefused
	resetBefore
	hangBefore
	redirect
	statusBefore
	statusAfter
	invalidNonce
	successFalse
	noText
	hangAfter
	deliveredTwice
	resetAfter
	garbage
)

func (f Fault) kinds() (kinds []faultKind) {
	for _, k := range [...]struct {
		set  bool
		kind faultKind
	}{
		{f.ConnRefused, connRefused},
		{f.ResetBefore, resetBefore},
		{f.Hang, hangBefore},
		{f.Redirect != "", redirect},
		{f.Status != 0 && !f.StatusAfterProcessing && f.Redirect == "", statusBefore},
		{f.Status != 0 && f.StatusAfterProcessing, statusAfter},
		{f.InvalidNonce, invalidNonce},
		{f.SuccessFalse, successFalse},
		{f.NoText, noText},
		{f.HangAfterProcessing, hangAfter},
		{f.DeliveredTwice, deliveredTwice},
		{f.ResetAfter, resetAfter},
		{f.Garbage, garbage},
	} {
		if k.set {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// kind is the one that decides.
func (f Fault) kind() faultKind {
	if kinds := f.kinds(); len(kinds) > 0 {
		return kinds[0]
	}
	return noFault
}

// apply makes the answer to a request with this verdict. It calls respond,
// which processes the request and answers it, if and only if it is processed.
func (f Fault) apply(v verdict, respond func() answer) answer {
	kind := f.kind()
	ans, struck := f.strike(kind)
	if !struck {
		ans = f.spoil(kind, f.serve(kind, v, respond))
	}
	ans.delay = f.Delay
	if f.RetryAfter != "" && ans.header != nil {
		ans.header.Set("Retry-After", f.RetryAfter)
	}
	if f.Body != "" {
		ans.replaceBody(f.Body)
	}
	if ans.status == http.StatusNoContent || ans.status == http.StatusNotModified {
		ans.body = nil // net/http would refuse to write it
	}
	ans.cut = f.Truncate && (len(ans.body) > 0 || ans.stream != nil)
	if ans.stream != nil {
		ans.stream.half = ans.cut
	}
	if f.Gzip && ans.header != nil && (len(ans.body) > 0 || ans.stream != nil) {
		ans.compress()
	}
	return ans
}

// strike makes the answer of a fault that comes in place of any processing.
func (f Fault) strike(kind faultKind) (ans answer, struck bool) {
	switch kind {
	case connRefused, resetBefore:
		return answer{reset: true}, true
	case hangBefore:
		return answer{hang: true}, true
	case redirect:
		ans = answer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {f.Redirect}}}
		if f.Status != 0 {
			ans.status = f.Status
		}
		return ans, true
	case statusBefore:
		return errorAnswer(f.Status, http.StatusText(f.Status)), true
	}
	return answer{}, false
}

// serve makes the answer of the double itself.
func (f Fault) serve(kind faultKind, v verdict, respond func() answer) answer {
	switch {
	case v.reason != "":
		return refusal(v.status, v.reason)
	case kind == invalidNonce:
		return refusal(http.StatusUnauthorized, reasonNonce)
	case kind == successFalse:
		return failure(f.SuccessBool)
	}
	return respond()
}

// spoil changes an answer that the client was meant to get.
func (f Fault) spoil(kind faultKind, ans answer) answer {
	switch kind {
	case statusAfter:
		reason := ans.reason
		ans = errorAnswer(f.Status, http.StatusText(f.Status))
		ans.reason = reason
	case hangAfter:
		ans.hang, ans.stall = !f.Truncate, f.Truncate
	case deliveredTwice:
		reason := ans.reason
		ans = errorAnswer(http.StatusUnauthorized, reasonNonce)
		ans.reason = reason
	case resetAfter:
		ans.reset = true
	case garbage:
		ans.status = http.StatusOK
		ans.replaceBody("<html>{\"callId\":\xff\x00 is not for you")
	}
	return ans
}
