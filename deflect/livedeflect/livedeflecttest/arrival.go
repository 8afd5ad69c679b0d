package livedeflecttest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// maxBody is how many bytes of a body are read. The vendor gives no limit; a
// real request stays far below.
const maxBody = 64 << 10

// arrival is a request as it reached the double, by whichever way.
type arrival struct {
	method      string
	scheme      string
	host        string
	path        string // decoded, to find the call
	escapedPath string // as sent, for the signature
	rawQuery    string // as sent, for the signature
	header      http.Header
	body        []byte // at most maxBody+1 bytes: one more means too large
	bodyErr     error
}

// arrivalOverHTTP takes a request that a handler got. The request line is read
// again because a mux may have stripped a prefix that the client has signed.
func arrivalOverHTTP(r *http.Request) *arrival {
	u := r.URL
	if sent, err := url.ParseRequestURI(r.RequestURI); err == nil {
		u = sent
	}
	a := newArrival(r, u)
	a.scheme, a.path = "http", r.URL.Path
	if r.TLS != nil {
		a.scheme = "https"
	}
	a.readBody(r.Body)
	return a
}

// arrivalInMemory takes a request that a client hands to a transport.
func arrivalInMemory(r *http.Request) *arrival {
	a := newArrival(r, r.URL)
	a.scheme, a.path = r.URL.Scheme, r.URL.Path
	if a.host == "" {
		a.host = r.URL.Host
	}
	if a.method == "" {
		a.method = http.MethodGet
	}
	a.readBody(r.Body)
	return a
}

func newArrival(r *http.Request, u *url.URL) *arrival {
	a := &arrival{method: r.Method, host: r.Host, header: r.Header, escapedPath: u.EscapedPath(), rawQuery: u.RawQuery}
	if a.escapedPath == "" {
		a.escapedPath = "/"
	}
	return a
}

func (a *arrival) readBody(body io.Reader) {
	if body != nil {
		a.body, a.bodyErr = io.ReadAll(io.LimitReader(body, maxBody+1))
	}
}

// externalCallID reads the one field that tells calls apart, from any body.
func (a *arrival) externalCallID() string {
	var b struct {
		ExternalCallID string `json:"externalCallId"`
	}
	if json.Unmarshal(a.body, &b) != nil {
		return ""
	}
	return b.ExternalCallID
}
