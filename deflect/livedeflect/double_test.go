package livedeflect_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Only the double proves to be one, and the vendor is not asked.
func TestProveDouble(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Query().Get("challenge")) })
	fixed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"success":"true"}`) })
	served := livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	moved := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, served.URL()+r.URL.RequestURI(), http.StatusFound)
	})
	url := func(h http.Handler) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	inMemory := livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	broken := livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	broken.SetFault(&livedeflecttest.Fault{Status: 503})
	asked := 0
	counts := transport(func(r *http.Request) (*http.Response, error) { asked++; return inMemory.RoundTrip(r) })
	for _, tt := range []struct {
		name           string
		domain, base   string
		rt             http.RoundTripper
		double, silent bool
	}{
		{"the double", "", served.URL(), nil, true, false},
		{"the double below a path", "", served.URL() + "/api", nil, true, false},
		{"the double in memory", "", served.URL(), served, true, false},
		{"the double in the vendor's place", "", inMemory.URL(), counts, false, true},
		{"the double with a fault", "", broken.URL(), nil, true, false},
		{"an echo", "", url(echo), nil, false, false},
		{"another answer", "", url(fixed), nil, false, false},
		{"nothing there", "", url(http.NotFoundHandler()), nil, false, false},
		{"elsewhere", "", url(moved), nil, false, false},
		{"nobody", "", "http://127.0.0.1:1", nil, false, false},
		{"a label", "va", "", counts, false, true},
		{"a host", "va.ivrdeflect.liveperson.net", "", counts, false, true},
		{"a URL of the vendor", "", "https://VA.ivrdeflect.LivePerson.net./x", counts, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := livedeflect.DefaultConfig()
			cfg.SiteID, cfg.Domain, cfg.BaseURL, cfg.Transport = "1", tt.domain, tt.base, tt.rt
			cfg.Auth = liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")}
			c, err := livedeflect.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			asked = 0
			if err := c.ProveDouble(t.Context()); (err == nil) != tt.double || err != nil && !errors.Is(err, liveperson.ErrNoDouble) {
				t.Errorf("%v, want a proof: %v", err, tt.double)
			}
			if tt.silent && asked > 0 {
				t.Error("the vendor was asked")
			}
		})
	}
	if n := len(served.Sent()) + len(served.Requests()); n > 0 {
		t.Errorf("%d requests are in the double's record", n)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
