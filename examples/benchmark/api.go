package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
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

// api plays both APIs on a loopback port, and notes when the requests of calls come.
type api struct {
	url    string
	server *http.Server
	phase  atomic.Pointer[phase] // whose calls come; nil takes any
	judge  atomic.Pointer[judge]
}

// judge is the strict double of each API, and how many requests for a text they have got.
type judge struct {
	double *livedeflecttest.Server
	c2m    *c2mtest.Server
	got    atomic.Int64
	asked  atomic.Int64 // about callers
	calls  sync.Map     // by the ids that c2m gave them
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
	a.judge.Store(&judge{double: livedeflecttest.New(keys), c2m: c2mtest.New(app)})
}

// verdict is what the doubles have against the requests that they got.
func (a *api) verdict() error {
	var errs []error
	judge := a.judge.Load()
	texts := 0
	refused := func(reason string, status int) {
		if texts++; status != http.StatusOK {
			errs = append(errs, fmt.Errorf("the double refused a request: %s", reason))
		}
	}
	for _, r := range judge.double.Requests() {
		refused(r.Reason, r.Status)
	}
	for _, r := range judge.c2m.Requests() {
		refused(r.Reason, r.Status)
		if r.Call != c2mtest.CallInvite {
			texts--
		}
	}
	if want := min(judged, judge.got.Load()); want == 0 || int64(texts) != want {
		errs = append(errs, fmt.Errorf("the double got %d requests", texts))
	}
	for _, v := range judge.c2m.Violations() {
		errs = append(errs, fmt.Errorf("the double has against a request: %s", v.What))
	}
	return errors.Join(errs[:min(len(errs), 3)]...)
}

// ServeHTTP answers as the doubles do.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case path:
		a.contextAndInvite(w, r, body, at)
	case eligibilityPath:
		a.eligibility(w, r, body)
	case invitePath:
		a.invite(w, r, body, at)
	case tokenPath:
		a.judge.Load().ask(w, r, body)
	default:
		http.Error(w, "bad request", http.StatusBadRequest)
	}
}

func (a *api) contextAndInvite(w http.ResponseWriter, r *http.Request, body []byte, at int64) {
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

// note keeps when the request of a call came, as LiveDeflect is asked.
func (p *phase) note(body []byte, at int64) error {
	n, ok := callOf(text(body, "externalCallId"))
	if ok && "1"+text(body, "customerPhoneNumber") != identify(n).number {
		return fmt.Errorf("call %d: a text to another number", n)
	}
	return p.noteCall(n, ok, at)
}

// noteCall keeps when the request for the text of a call came. One key press is one text.
func (p *phase) noteCall(n int, ok bool, at int64) error {
	m := p.of(n)
	switch {
	case !ok || m == nil:
		return errors.New("the API got a request of a call that is not in progress")
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
