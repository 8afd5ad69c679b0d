package double

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

// Words are how an API puts what a fault, or its own rules, let it say.
type Words struct {
	// Error is the answer with a status that has nothing to do with the request.
	Error func(status int) Answer
	// No is the answer of Fault.SuccessFalse, with its Reason.
	No func(boolean bool) Answer
	// Used is the answer to a request whose nonce, or whatever stands for it, was used
	// before.
	Used func() Answer
}

// Apply makes the answer to a request. refused is what a double answers that does not
// process the request, nil for one in order; respond processes it and answers it, and
// is called if and only if it is processed.
func (f Fault) Apply(w Words, refused *Answer, respond func() Answer) Answer {
	kind := f.kind()
	ans, struck := f.strike(kind, w)
	if !struck {
		ans = f.spoil(kind, w, f.serve(kind, w, refused, respond))
	}
	ans.Delay = f.Delay
	if f.RetryAfter != "" && ans.Header != nil {
		ans.Header.Set("Retry-After", f.RetryAfter)
	}
	if f.Body != "" {
		ans.replaceBody(f.Body)
	}
	if ans.Status == http.StatusNoContent || ans.Status == http.StatusNotModified {
		ans.Body = nil // net/http would refuse to write it
	}
	ans.Cut = f.Truncate && (len(ans.Body) > 0 || ans.Stream != nil)
	if ans.Stream != nil && ans.Cut {
		ans.Stream.Halve()
	}
	if f.Gzip && ans.Header != nil && (len(ans.Body) > 0 || ans.Stream != nil) {
		ans.compress()
	}
	return ans
}

// strike makes the answer of a fault that comes in place of any processing.
func (f Fault) strike(kind faultKind, w Words) (ans Answer, struck bool) {
	switch kind {
	case connRefused, resetBefore:
		return Answer{Reset: true}, true
	case hangBefore:
		return Answer{Hang: true}, true
	case redirect:
		ans = Answer{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {f.Redirect}}}
		if f.Status != 0 {
			ans.Status = f.Status
		}
		return ans, true
	case statusBefore:
		return w.Error(f.Status), true
	}
	return Answer{}, false
}

// serve makes the answer of the double itself.
func (f Fault) serve(kind faultKind, w Words, refused *Answer, respond func() Answer) Answer {
	switch {
	case refused != nil:
		return *refused
	case kind == invalidNonce:
		return w.Used()
	case kind == successFalse:
		return w.No(f.SuccessBool)
	}
	return respond()
}

// spoil changes an answer that the client was meant to get.
func (f Fault) spoil(kind faultKind, w Words, ans Answer) Answer {
	switch kind {
	case statusAfter:
		reason := ans.Reason
		ans = w.Error(f.Status)
		ans.Reason = reason
	case hangAfter:
		ans.Hang, ans.Stall = !f.Truncate, f.Truncate
	case deliveredTwice:
		reason := ans.Reason
		ans = w.Used()
		ans.Reason = reason
	case resetAfter:
		ans.Reset = true
	case garbage:
		ans.Status = http.StatusOK
		ans.replaceBody("<html>{\"callId\":\xff\x00 is not for you")
	}
	return ans
}

// SendsNothing reports whether a request in order is answered as always although nothing
// goes out.
func (f Fault) SendsNothing() bool { return f.kind() == noText }
