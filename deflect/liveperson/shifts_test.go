package liveperson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

// rota is a double of the shift status, which takes any token.
type rota struct {
	vendor
	mu     sync.Mutex
	status func(req *http.Request) (*http.Response, error)
	asked  []string
}

func (r *rota) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(req.URL.Path, "/sentinel/") {
		return r.vendor.RoundTrip(req)
	}
	r.mu.Lock()
	r.asked = append(r.asked, req.Method+" "+req.URL.String()+" "+req.Header.Get("Authorization"))
	status := r.status
	r.mu.Unlock()
	return status(req)
}

func (r *rota) says(f func(req *http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = f
}

func (r *rota) shift(on bool) {
	r.says(func(*http.Request) (*http.Response, error) {
		return answer(200, fmt.Sprintf(`{"skillId":7,"onShift":%t,"nextOn":null,"nextOff":null}`, on)), nil
	})
}

func (r *rota) n() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func shifts(t *testing.T, r http.RoundTripper, log *bytes.Buffer) *Shifts {
	t.Helper()
	s, err := NewShifts(ShiftsConfig{
		Account: "38856538", Auth: app(), URL: "https://va.shiftstatus.liveperson.net/", Transport: r, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantShift asks, without waiting, and lets what was begun end.
func wantShift(t *testing.T, s *Shift, wantOn, wantKnown bool) {
	t.Helper()
	before := time.Now()
	on, known := s.OnShift()
	if took := time.Since(before); on != wantOn || known != wantKnown || took != 0 {
		t.Errorf("on shift %t, known %t after %s, want %t and %t", on, known, took, wantOn, wantKnown)
	}
	synctest.Wait()
}

// A status is asked for beside the calls, every half minute in which one wants to know, and
// is not known any more when it is 5 minutes old.
func TestShifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &rota{}
		s := shifts(t, r, &log)
		seven := s.Of("7")
		if s.Of("7") != seven || s.Of("8") == seven {
			t.Error("a skill has a Shift of its own, and one")
		}
		r.shift(true)
		wantShift(t, seven, false, false)
		wantShift(t, seven, true, true)
		want := []string{"GET https://va.shiftstatus.liveperson.net/api/account/38856538/skills/7/shift-status-skill Bearer t1"}
		if diff := cmp.Diff(want, r.asked); diff != "" {
			t.Error(diff)
		}
		r.shift(false)
		time.Sleep(29 * time.Second)
		wantShift(t, seven, true, true)
		if n := r.n(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(time.Second)
		wantShift(t, seven, true, true)
		wantShift(t, seven, false, true)
		// Nobody wants to know.
		time.Sleep(5*time.Minute - time.Second)
		if n := r.n(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		// It cannot be asked for: the last answer is good for its 5 minutes.
		r.says(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		wantShift(t, seven, false, true)
		time.Sleep(time.Second)
		wantShift(t, seven, false, false)
		if !strings.Contains(log.String(), "skill_id=7") || !strings.Contains(log.String(), "no route") {
			t.Error(log.String())
		}
		r.shift(true)
		time.Sleep(time.Minute)
		wantShift(t, seven, false, false)
		wantShift(t, seven, true, true)
	})
}

// Requests are counted by what they ended with, and what is not said is not known.
func TestShiftAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &rota{}
		s := shifts(t, r, &log)
		if diff := cmp.Diff([]string{"shift_status"}, s.Calls()); diff != "" {
			t.Error(diff)
		}
		var got []deflect.Reason // of one answer
		s.OnRequest(func(call string, reason deflect.Reason) {
			if call != "shift_status" {
				t.Errorf("call %q", call)
			}
			got = append(got, reason)
		})
		for i, tt := range []struct {
			status    int
			body      string
			reason    deflect.Reason
			on, known bool
		}{
			{200, `{"skillId":"7","onShift":true}`, deflect.ReasonOK, true, true},
			{200, `{"skill":7,"onShift":"FALSE"}`, deflect.ReasonOK, false, true},
			{200, `{"onShift":false,"nextOn":"2026-01-01"}`, deflect.ReasonOK, false, true},
			{200, `{"skillId":8,"onShift":true}`, deflect.ReasonBadResponse, false, false},
			{200, `{"skillId":7}`, deflect.ReasonBadResponse, false, false},
			{200, `{"onShift":1}`, deflect.ReasonBadResponse, false, false},
			{200, `true`, deflect.ReasonBadResponse, false, false},
			{200, ``, deflect.ReasonBadResponse, false, false},
			{403, ``, deflect.ReasonUnauthorized, false, false},
			{404, ``, deflect.ReasonRejected, false, false},
			{429, ``, deflect.ReasonRateLimited, false, false},
			{302, ``, deflect.ReasonRedirected, false, false},
			{500, ``, deflect.ReasonServerError, false, false},
			{0, ``, deflect.ReasonUnreachable, false, false},
			{-1, ``, deflect.ReasonTimeout, false, false},
		} {
			r.says(func(req *http.Request) (*http.Response, error) {
				switch tt.status {
				case 0:
					return nil, errors.New("no route")
				case -1:
					<-req.Context().Done()
					return nil, req.Context().Err()
				}
				return answer(tt.status, tt.body), nil
			})
			// A skill of its own, whose answer says that it is the seventh.
			seven := s.Of(strings.Repeat("0", i) + "7")
			wantShift(t, seven, false, false)
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if diff := cmp.Diff([]deflect.Reason{tt.reason}, got); diff != "" {
				t.Errorf("%d %s: %s", tt.status, tt.body, diff)
			}
			wantShift(t, seven, tt.on, tt.known)
			time.Sleep(time.Minute)
			synctest.Wait()
			got = nil
		}
		n := r.n()
		for _, id := range []string{"", "sales", "../7", "7/x", "77777777777777777777"} {
			wantShift(t, s.Of(id), false, false)
			wantShift(t, s.Of(id), false, false)
		}
		if r.n() != n {
			t.Error("what is no id of a skill was asked for")
		}
	})
}

func TestNewShifts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*ShiftsConfig)
		want   string
	}{
		{"valid", func(*ShiftsConfig) {}, ""},
		{"told by Domains", func(c *ShiftsConfig) { c.URL, c.Domains = "", &Domains{} }, ""},
		{"no account", func(c *ShiftsConfig) { c.Account = "" }, "Account: is not an account id (letters and digits)"},
		{"no auth", func(c *ShiftsConfig) { c.Auth = nil }, "Auth: is missing: the shift status wants a token"},
		{"half auth", func(c *ShiftsConfig) { c.Auth = &OAuth2{Account: "1", ClientID: "x", URL: "https://x"} }, "Auth: client secret is missing"},
		{"OAuth 1.0", func(c *ShiftsConfig) { c.Auth = OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")} }, "Auth: is OAuth 1.0, which the shift status does not take; it wants OAuth 2.0"},
		{"no URL", func(c *ShiftsConfig) { c.URL = "" }, "URL: is missing: where the service shiftstatus is, or a Domains"},
		{"plain http", func(c *ShiftsConfig) { c.URL = "http://example.net" }, "URL: is plain http to another machine: requests carry numbers; use https"},
	} {
		cfg := ShiftsConfig{Account: "38856538", Auth: app(), URL: "https://va.shiftstatus.liveperson.net"}
		tt.change(&cfg)
		s, err := NewShifts(cfg)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want || (s == nil) != (err != nil) || err != nil && !errors.Is(err, deflect.ErrInvalidConfig) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// All three with the double of the vendor, which has its own code for what it checks: hosts
// are told, a token is had for each form of its life, a revoked one is fetched anew.
func TestWithTheDouble(t *testing.T) {
	for _, form := range []c2mtest.ExpiresIn{c2mtest.ExpiresString, c2mtest.ExpiresNumber, c2mtest.ExpiresMissing} {
		synctest.Test(t, func(t *testing.T) {
			api := c2mtest.New(c2mtest.Config{Account: "38856538", ClientID: "the-app", ClientSecret: "a+b&c=d %é", ExpiresIn: form, Region: "lo"})
			d, err := NewDomains(DomainsConfig{Account: "38856538", Transport: api})
			if err != nil {
				t.Fatal(err)
			}
			a := &OAuth2{Account: "38856538", ClientID: "the-app", ClientSecret: deflect.NewSecret("a+b&c=d %é"), Domains: d}
			s, err := NewShifts(ShiftsConfig{Account: "38856538", Auth: a, Domains: d, Transport: api})
			if err != nil {
				t.Fatal(err)
			}
			seven := s.Of("7")
			wantShift(t, seven, false, false)
			wantShift(t, seven, true, true)
			api.SetShift("7", false)
			api.ExpireTokens()
			time.Sleep(30 * time.Second)
			wantShift(t, seven, true, true)
			wantShift(t, seven, false, true)
			time.Sleep(2 * time.Hour)
			wantShift(t, seven, false, false)
			wantShift(t, seven, false, true)
			calls := map[string]int{}
			for _, r := range api.Requests() {
				calls[r.Call]++
			}
			if diff := cmp.Diff(map[string]int{"token": 3, "domain": 2, "shift_status": 4}, calls); diff != "" {
				t.Error(diff)
			}
			if region, err := d.Region(context.Background(), "agentVep"); region != "lo" || err != nil {
				t.Errorf("region %q, %v", region, err)
			}
		})
	}
}

// Whatever comes says of this skill that somebody is on shift, or nobody is, or is an error.
func FuzzReadShift(f *testing.F) {
	for _, body := range []string{`{"skillId":7,"onShift":true}`, `{"skill":"8","onShift":"false"}`, `{"onShift":{}}`, "<html>", ""} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		on, err := readShift(body, "7")
		if err != nil && (on || len(err.Error()) > 100) {
			t.Errorf("%t, %v of %q", on, err, body)
		}
	})
}
