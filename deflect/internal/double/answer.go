package double

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// JSONType is the media type of nearly all that goes either way.
const JSONType = "application/json"

// Answer is what a client is to get, by whichever way.
type Answer struct {
	Delay  time.Duration
	Hang   bool // no answer until the client gives up
	Reset  bool // no answer, and the connection is reset
	Status int
	Header http.Header
	Body   []byte
	Stream Stream // instead of Body: one of unknown length
	Gzip   bool   // the stream comes compressed
	Cut    bool   // the body breaks off in the middle ...
	Stall  bool   // ... and what comes then is silence, not an end

	// For the record only: why the double refused, and how much the
	// answer reports.
	Reason        string
	Calls, Events int
}

// Stream is a body that is made while it is read.
type Stream interface {
	io.Reader
	Halve() // it ends in the middle; before it is read
}

// JSONAnswer makes an answer with a body that is JSON.
func JSONAnswer(status int, body string) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {JSONType}}, Body: []byte(body)}
}

func (ans *Answer) replaceBody(body string) {
	ans.Body, ans.Stream, ans.Calls, ans.Events = []byte(body), nil, 0, 0
}

// Wire gives the part of the body that reaches the client.
func (ans Answer) Wire() io.Reader {
	switch {
	case ans.Stream != nil && ans.Gzip:
		return newGzipped(ans.Stream, !ans.Cut)
	case ans.Stream != nil:
		return ans.Stream
	case ans.Cut:
		return bytes.NewReader(ans.Body[:len(ans.Body)/2])
	}
	return bytes.NewReader(ans.Body)
}
