package livedeflect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// told is a Domain API that tells a host, and LiveDeflect, wherever that is.
type told struct {
	host  string // "" for none
	hangs bool
	asked atomic.Int32
	urls  []string // of requests for LiveDeflect
}

func (a *told) tell(req *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	switch {
	case a.hangs:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case a.host == "":
		return nil, errors.New("no route")
	}
	return said(`{"service":"agentVep","account":"38856538","baseURI":"` + a.host + `"}`), nil
}

func (a *told) take(req *http.Request) (*http.Response, error) {
	a.urls = append(a.urls, req.URL.String())
	if req.Body != nil {
		req.Body.Close()
	}
	return said(`{"callId":"473513","success":"true","data":{}}`), nil
}

func said(text string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}
}

func (a *told) client(t *testing.T, change func(*bothConfig)) *bothClient {
	t.Helper()
	domains, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: "38856538", Transport: roundTripper(a.tell)})
	if err != nil {
		t.Fatal(err)
	}
	return testClient(t, func(c *bothConfig) {
		c.Domain, c.Domains, c.Transport, c.LiveDeadline = "", domains, roundTripper(a.take), 4*time.Second
		if change != nil {
			change(c)
		}
	})
}

// Where nothing is configured the account's region is that of its agentVep.
func TestDomains(t *testing.T) {
	a := &told{host: "z2.agentvep.liveperson.net"}
	client := a.client(t, nil)
	if calls := client.api.Calls(); len(calls) != 1 || calls[0] != "domain" {
		t.Errorf("calls %q", calls)
	}
	var heard atomic.Int32
	client.api.OnRequest(func(string, deflect.Reason) { heard.Add(1) })
	text, err := client.Preview(t.Context(), validCall())
	if err != nil {
		t.Fatal(err)
	}
	const root = "https://lo.ivrdeflect.liveperson.net"
	if url, body := client.api.Preview(text); url != root+contextAndInvite || len(body) == 0 {
		t.Errorf("%s, %d bytes", url, len(body))
	}
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	for _, err := range client.api.Report(t.Context(), ReportQuery{From: time.Now().Add(-time.Minute), To: time.Now()}) {
		t.Error(err)
	}
	if len(a.urls) != 2 || a.urls[0] != root+contextAndInvite || a.urls[1] != root+getLiveDeflectData || a.asked.Load() != 1 || heard.Load() != 1 {
		t.Errorf("%q, asked %d times", a.urls, a.asked.Load())
	}
	if err := client.api.ProveDouble(t.Context()); !errors.Is(err, liveperson.ErrNoDouble) || len(a.urls) != 2 {
		t.Errorf("%v, and %d requests", err, len(a.urls))
	}
}

// What is configured wins.
func TestDomainsAreNotAsked(t *testing.T) {
	a := &told{host: "lo.agentvep.liveperson.net"}
	client := a.client(t, func(c *bothConfig) { c.Domain = "sy" })
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	if len(a.urls) != 1 || !strings.HasPrefix(a.urls[0], "https://sy.ivrdeflect.") || a.asked.Load() != 0 || client.api.Calls() != nil {
		t.Errorf("%q, asked %d times, calls %q", a.urls, a.asked.Load(), client.api.Calls())
	}
}

// As long as nobody knows where the API is nothing leaves, and nobody waits longer than he
// may.
func TestDomainsUnknown(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := &told{hangs: hangs}
			client := a.client(t, nil)
			attempts, least := 3, 500*time.Millisecond
			if hangs {
				attempts, least = 1, 4*time.Second
			}
			begin := time.Now()
			call := validCall()
			call.Accepted = time.Time{}
			res, err := client.Deflect(context.Background(), next(call))
			if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonUnreachable || res.Attempts != attempts || !deflect.NotSent(err) ||
				!strings.Contains(err.Error(), "LivePerson's service agentVep is not known, and not configured") {
				t.Errorf("%+v, %v", res, err)
			}
			if took := time.Since(begin); took < least || took > least+200*time.Millisecond {
				t.Errorf("it took %s", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if a := client.api.Send(ctx, preview(t, client)); a.Outcome != deflect.Failed || a.Reason != deflect.ReasonCanceled && hangs {
				t.Errorf("canceled: %+v", a)
			}
			if url, _ := client.api.Preview(preview(t, client)); url != "https://{domain}.ivrdeflect.liveperson.net"+contextAndInvite {
				t.Errorf("preview %q", url)
			}
			if err := client.api.ProveDouble(ctx); !errors.Is(err, liveperson.ErrNoDouble) {
				t.Error(err)
			}
			if len(a.urls) > 0 {
				t.Errorf("%q was asked", a.urls)
			}
			// Once it is known everything goes on.
			time.Sleep(20 * time.Second)
			synctest.Wait()
			a.hangs, a.host = false, "va.agentvep.liveperson.net"
			wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
		})
	}
}

func preview(t *testing.T, client *bothClient) *deflect.Text {
	t.Helper()
	text, err := client.Preview(context.Background(), validCall())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A report without an address is one of a window that cannot be had.
func TestReportWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &told{}
		client := a.client(t, nil)
		errs := 0
		for _, err := range client.api.Report(t.Context(), ReportQuery{From: time.Now().Add(-time.Minute), To: time.Now()}) {
			var lost *ReportError
			if errs++; !errors.As(err, &lost) || lost.Reason != deflect.ReasonUnreachable {
				t.Error(err)
			}
		}
		if errs != 1 || a.urls != nil {
			t.Errorf("%d errors, %q", errs, a.urls)
		}
	})
}

// Who relies on the Domain API goes on with it, and an address that was not configured before
// may be another account's.
func TestDomainsFollow(t *testing.T) {
	a := &told{host: "va.agentvep.liveperson.net"}
	client := a.client(t, nil)
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	cfg := validConfig()
	cfg.Domain = ""
	var err error
	if cfg.Domains, err = liveperson.NewDomains(liveperson.DomainsConfig{Account: "38856538", Transport: roundTripper(a.tell)}); err != nil {
		t.Fatal(err)
	}
	if err := client.api.Reload(cfg); err != nil {
		t.Error(err)
	}
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	if n := a.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if root, err := cfg.Root(t.Context()); root != "https://va.ivrdeflect.liveperson.net" || err != nil {
		t.Errorf("%q, %v", root, err)
	}
	if root, err := cfg.URL(); root != "" || err == nil {
		t.Errorf("%q is known at once", root)
	}
	cfg.Domain = "va"
	if err := client.api.Reload(cfg); !errors.Is(err, deflect.ErrRestart) {
		t.Errorf("another address: %v", err)
	}
}
