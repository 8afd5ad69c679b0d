package livedeflect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// TestOAuth2 goes through every moment at which a token or our request can fail, the first
// time and when a token that was good is refused. Trouble with a token is about the keys,
// and certainly no text; our request is posted once more only when it was refused.
func TestOAuth2(t *testing.T) {
	const token = `{"access_token":"t0ken","token_type":"Bearer","expires_in":"3599"}`
	hang := func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }
	reset := func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); resetConn(w) }
	status := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(n) }
	}
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
	}
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			c, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(c, text)
			c.Close()
		}
	}
	cut := func(n int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(n)
			io.WriteString(w, text)
		}
	}
	moved := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
	sends := says(`{"callId":"473513","success":"true"}`)
	expired := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":0,"message":"jwt expired"}`)
	}
	good := says(token)
	type handlers []http.HandlerFunc // one a request; the last one for all others; nil: nobody listens
	for name, tt := range map[string]struct {
		tokens, api handlers
		before      int // texts that are sent before
		outcome     deflect.Outcome
		reason      deflect.Reason
		asked       int32 // for tokens, in all
		posted      int32 // texts, in all
		words       string
	}{
		"sent":                 {handlers{good}, handlers{sends}, 0, deflect.Sent, deflect.ReasonOK, 1, 1, ""},
		"sent again":           {handlers{good}, handlers{sends}, 2, deflect.Sent, deflect.ReasonOK, 1, 3, ""},
		"no sentinel":          {nil, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 0, 0, "sentinel cannot be reached"},
		"token reset":          {handlers{reset}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel cannot be reached"},
		"token hangs":          {handlers{hang}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel has not answered in time"},
		"token is no HTTP":     {handlers{raw("SSH-2.0\r\n\r\n")}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel cannot be reached"},
		"token closed":         {handlers{raw("")}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel cannot be reached"},
		"token cut":            {handlers{cut(200, token[:9])}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel's answer breaks off"},
		"token refused":        {handlers{status(401)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "check account, client id and client secret"},
		"no such account":      {handlers{status(404)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "check the account id and sentinel's address"},
		"token server error":   {handlers{status(500)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel has a fault (HTTP 500)"},
		"token limited":        {handlers{status(429)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel is asked too often"},
		"token redirected":     {handlers{moved}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "sentinel redirects (HTTP 307), which is not followed"},
		"token cannot be read": {handlers{says("<html>")}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "no JSON object"},
		"no token":             {handlers{says("{}")}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "has no token"},
		"token with a break":   {handlers{says(`{"access_token":"a\r\nb"}`)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "has no token"},
		"another type":         {handlers{says(`{"access_token":"a","token_type":"mac"}`)}, handlers{sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 0, "another type than Bearer"},

		"ours reset":        {handlers{good}, handlers{reset}, 0, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1, ""},
		"ours hangs":        {handlers{good}, handlers{hang}, 0, deflect.Uncertain, deflect.ReasonTimeout, 1, 1, ""},
		"ours server error": {handlers{good}, handlers{status(500)}, 0, deflect.Uncertain, deflect.ReasonServerError, 1, 1, ""},
		"ours forbidden":    {handlers{good}, handlers{status(403)}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 1, ""},
		"no API":            {handlers{good}, nil, 0, deflect.Failed, deflect.ReasonUnreachable, 1, 0, ""},

		"a new token refused":                {handlers{good}, handlers{expired, sends}, 0, deflect.Failed, deflect.ReasonUnauthorized, 1, 1, "jwt expired"},
		"refused":                            {handlers{good}, handlers{sends, expired, sends}, 1, deflect.Sent, deflect.ReasonOK, 2, 3, ""},
		"refused for ever":                   {handlers{good}, handlers{sends, expired}, 1, deflect.Failed, deflect.ReasonUnauthorized, 2, 3, "jwt expired"},
		"refused, doubtfully":                {handlers{good}, handlers{sends, cut(401, `{"error":"Inval`)}, 1, deflect.Uncertain, deflect.ReasonBadResponse, 1, 2, ""},
		"refused, its nonce was used":        {handlers{good}, handlers{sends, cut(401, `{"error":"Invalid Nonce`)}, 1, deflect.Uncertain, deflect.ReasonInvalidNonce, 1, 2, ""},
		"refused, then reset":                {handlers{good}, handlers{sends, expired, reset}, 1, deflect.Uncertain, deflect.ReasonConnectionLost, 2, 3, ""},
		"refused, then hangs":                {handlers{good}, handlers{sends, expired, hang}, 1, deflect.Uncertain, deflect.ReasonTimeout, 2, 3, ""},
		"refused, then server error":         {handlers{good}, handlers{sends, expired, status(502)}, 1, deflect.Uncertain, deflect.ReasonServerError, 2, 3, ""},
		"refused, then rejected":             {handlers{good}, handlers{sends, expired, status(400)}, 1, deflect.Failed, deflect.ReasonRejected, 2, 3, ""},
		"refused, and the next token reset":  {handlers{good, reset}, handlers{sends, expired, sends}, 1, deflect.Failed, deflect.ReasonUnauthorized, 2, 2, "sentinel cannot be reached"},
		"refused, and the next token hangs":  {handlers{good, hang}, handlers{sends, expired, sends}, 1, deflect.Failed, deflect.ReasonUnauthorized, 2, 2, "sentinel has not answered in time"},
		"refused, and the next one refused":  {handlers{good, status(403)}, handlers{sends, expired, sends}, 1, deflect.Failed, deflect.ReasonUnauthorized, 2, 2, "check account, client id and client secret"},
		"refused, and the next one no token": {handlers{good, says("[]")}, handlers{sends, expired, sends}, 1, deflect.Failed, deflect.ReasonUnauthorized, 2, 2, "no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve := func(h handlers, n *atomic.Int32) string {
				if h == nil {
					return nobody(t)
				}
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					at := int(n.Add(1)) - 1
					h[min(at, len(h)-1)](w, r)
				}))
				t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
				return srv.URL
			}
			var asked, posted atomic.Int32
			sentinel := serve(tt.tokens, &asked)
			client := realClient(t, serve(tt.api, &posted), func(c *bothConfig) {
				c.Auth = &liveperson.OAuth2{Account: "38856538", ClientID: "id", ClientSecret: deflect.NewSecret("s3cret"), URL: sentinel}
				c.LiveDeadline = 10 * time.Second
				if strings.Contains(name, "hang") {
					c.LiveDeadline = time.Second
				}
			})
			call := validCall()
			call.Accepted = time.Time{}
			for range tt.before {
				if res, err := client.Deflect(t.Context(), next(call)); res.Outcome != deflect.Sent {
					t.Fatalf("before: %+v, %v", res, err)
				}
			}
			attempts := 1
			if tt.api == nil {
				attempts = 3
			}
			res, err := client.Deflect(context.Background(), next(call))
			if res.Outcome != tt.outcome || res.Reason != tt.reason || res.Attempts != attempts || asked.Load() != tt.asked || posted.Load() != tt.posted {
				t.Errorf("%+v (%v) with %d tokens and %d posts, want %s %s with %d and %d", res, err, asked.Load(), posted.Load(), tt.outcome, tt.reason, tt.asked, tt.posted)
			}
			if deflect.NotSent(err) != (tt.outcome == deflect.Failed) {
				t.Errorf("NotSent(%v) = %t", err, deflect.NotSent(err))
			}
			if tt.words != "" && !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%v\ndoes not say %q", err, tt.words)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken")) {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

// A caller of Deflect who gives up while the token is fetched is told that nothing left, and
// the fetch goes on for the next one.
func TestOAuth2Canceled(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	sentinel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		io.WriteString(w, `{"access_token":"t"}`)
	}))
	defer sentinel.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"callId":"473513","success":"true"}`)
	}))
	defer api.Close()
	client := realClient(t, api.URL, func(c *bothConfig) {
		c.Auth = &liveperson.OAuth2{Account: "38856538", ClientID: "id", ClientSecret: deflect.NewSecret("s"), URL: sentinel.URL}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	call := validCall()
	call.Accepted = time.Time{}
	res, err := client.Deflect(ctx, next(call))
	if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || !deflect.NotSent(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", res, err)
	}
	close(answer)
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
}

// Reports carry the token too, and go on with another one when it is refused. A Client that
// is reloaded with the same credentials keeps its token; who counts its requests hears of
// those with others too.
func TestOAuth2Reload(t *testing.T) {
	var tokens, posts atomic.Int32
	refuse := atomic.Bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/sentinel/"):
			tokens.Add(1)
			io.WriteString(w, `{"access_token":"t"}`)
		case refuse.Swap(false):
			posts.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			posts.Add(1)
			io.WriteString(w, `{"success":"true","data":{}}`)
		}
	}))
	defer srv.Close()
	auth := func(secret string) *liveperson.OAuth2 {
		return &liveperson.OAuth2{Account: "38856538", ClientID: "id", ClientSecret: deflect.NewSecret(secret), URL: srv.URL}
	}
	cfg := validConfig()
	cfg.Domain, cfg.BaseURL, cfg.Auth = "", srv.URL, auth("s")
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var heard atomic.Int32
	client.OnRequest(func(call string, r deflect.Reason) {
		if call == "token" && r == deflect.ReasonOK {
			heard.Add(1)
		}
	})
	if calls := client.Calls(); len(calls) != 1 || calls[0] != "token" {
		t.Errorf("calls %q", calls)
	}
	report := func(wantPosts, wantTokens int32) {
		t.Helper()
		for _, err := range client.Report(t.Context(), ReportQuery{From: time.Now().Add(-time.Minute), To: time.Now()}) {
			t.Error(err)
		}
		if posts.Load() != wantPosts || tokens.Load() != wantTokens || heard.Load() != wantTokens {
			t.Errorf("%d posts with %d tokens, %d of them heard of, want %d with %d", posts.Load(), tokens.Load(), heard.Load(), wantPosts, wantTokens)
		}
	}
	report(1, 1)
	refuse.Store(true)
	report(3, 2)
	for _, next := range []*liveperson.OAuth2{auth("s"), auth("another")} {
		cfg.Auth = next
		if err := client.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if next.ClientSecret == deflect.NewSecret("s") {
			report(4, 2)
		} else {
			report(5, 3)
		}
	}
	var none *Client
	none.OnRequest(nil)
	if none.Calls() != nil {
		t.Error("a Client that was not made has calls")
	}
}
