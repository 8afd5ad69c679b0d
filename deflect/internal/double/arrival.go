package double

import (
	"io"
	"net/http"
	"net/url"
)

// MaxBody is how many bytes of a body are read. The vendor gives no limit; a
// real request stays far below.
const MaxBody = 64 << 10

// Arrival is a request as it reached a double, by whichever way.
type Arrival struct {
	Method      string
	Scheme      string
	Host        string
	Path        string // decoded, to find the call
	EscapedPath string // as sent, for the signature
	RawQuery    string // as sent, for the signature
	Header      http.Header
	Body        []byte // at most MaxBody+1 bytes: one more means too large
	BodyErr     error
}

// overHTTP takes a request that a handler got. The request line is read
// again because a mux may have stripped a prefix that the client has signed.
func overHTTP(r *http.Request) *Arrival {
	u := r.URL
	if sent, err := url.ParseRequestURI(r.RequestURI); err == nil {
		u = sent
	}
	a := newArrival(r, u)
	a.Scheme, a.Path = "http", r.URL.Path
	if r.TLS != nil {
		a.Scheme = "https"
	}
	a.ReadBody(r.Body)
	return a
}

// inMemory takes a request that a client hands to a transport.
func inMemory(r *http.Request) *Arrival {
	a := newArrival(r, r.URL)
	a.Scheme, a.Path = r.URL.Scheme, r.URL.Path
	if a.Host == "" {
		a.Host = r.URL.Host
	}
	if a.Method == "" {
		a.Method = http.MethodGet
	}
	a.ReadBody(r.Body)
	return a
}

func newArrival(r *http.Request, u *url.URL) *Arrival {
	a := &Arrival{Method: r.Method, Host: r.Host, Header: r.Header, EscapedPath: u.EscapedPath(), RawQuery: u.RawQuery}
	if a.EscapedPath == "" {
		a.EscapedPath = "/"
	}
	return a
}

// ReadBody takes what there is of a body, to its limit.
func (a *Arrival) ReadBody(body io.Reader) {
	if body != nil {
		a.Body, a.BodyErr = io.ReadAll(io.LimitReader(body, MaxBody+1))
	}
}
