package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const (
	siteID = "38856538"
	path   = "/api/contextAndInvite"
	// judged is how many requests of a child the strict double answers, which costs
	// more than those that are measured.
	judged = 20
)

// keys are those of the account that every subject signs with.
var keys = livedeflecttest.Config{
	SiteID:      siteID,
	ConsumerKey: "consumer", ConsumerSecret: "consumer-s3cret", Token: "token", TokenSecret: "token-s3cret",
	KeepLast: judged,
}

// api plays LiveDeflect on a loopback port, and notes when the requests of calls come.
type api struct {
	url    string
	server *http.Server
	phase  atomic.Pointer[phase] // whose calls come; nil takes any
	judge  atomic.Pointer[judge]
}

// judge is the strict double, and how many requests it has got.
type judge struct {
	double *livedeflecttest.Server
	got    atomic.Int64
}

func newAPI() (*api, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &api{url: "http://" + ln.Addr().String()}
	a.server = &http.Server{Handler: a}
	a.fresh()
	go a.server.Serve(ln) //nolint:errcheck // ends by close
	return a, nil
}

func (a *api) close() { a.server.Close() }

// fresh lets the double judge the first requests of another child.
func (a *api) fresh() {
	a.phase.Store(nil)
	a.judge.Store(&judge{double: livedeflecttest.New(keys)})
}

// verdict is what the double has against the requests that it got.
func (a *api) verdict() error {
	var errs []error
	judge := a.judge.Load()
	requests := judge.double.Requests()
	if want := min(judged, judge.got.Load()); want == 0 || int64(len(requests)) != want {
		errs = append(errs, fmt.Errorf("the double got %d requests", len(requests)))
	}
	for _, r := range requests {
		if r.Status != http.StatusOK {
			errs = append(errs, fmt.Errorf("the double refused a request: %s", r.Reason))
			break
		}
	}
	return errors.Join(errs...)
}

// ServeHTTP answers as the double does.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := now()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != path {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if p := a.phase.Load(); p != nil {
		p.fail(p.note(body, at))
	}
	if j := a.judge.Load(); j.got.Add(1) <= judged {
		r.Body = io.NopCloser(bytes.NewReader(body))
		j.double.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"callId":"473513","success":"true"}`) //nolint:errcheck // fails only if the subject has gone
}

// note keeps when the request of a call came. One key press is one text.
func (p *phase) note(body []byte, at int64) error {
	uuid, number := text(body, "externalCallId"), text(body, "customerPhoneNumber")
	n, ok := callOf(uuid)
	m := p.of(n)
	switch {
	case !ok || m == nil:
		return fmt.Errorf("the API got a request of a call that is not in progress: %q", uuid)
	case "1"+number != identify(n).number:
		return fmt.Errorf("call %d: a text to another number", n)
	case m.pressed.Load() == 0:
		return fmt.Errorf("call %d: texted before its key", n)
	case !m.request.CompareAndSwap(0, at):
		return fmt.Errorf("call %d: texted twice", n)
	}
	return nil
}

// text returns a text of a JSON object, by a name that is nowhere else in it.
func text(body []byte, name string) string {
	_, after, _ := bytes.Cut(body, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(after, []byte(`"`))
	return string(value)
}
