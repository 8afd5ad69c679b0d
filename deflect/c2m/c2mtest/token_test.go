package c2mtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// askToken asks for a token with a form.
func askToken(t testing.TB, s *Server, path, form string) result {
	t.Helper()
	req := request(t, t.Context(), s, http.MethodPost, path, form)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Del("Authorization")
	return send(inMemory(s), req)
}

var goodForm = url.Values{"client_id": {"client"}, "client_secret": {"client secret"}, "grant_type": {"client_credentials"}}.Encode()

func TestToken(t *testing.T) {
	t.Parallel()
	for form, want := range map[ExpiresIn]string{
		ExpiresString: `,"expires_in":"3600"}`, ExpiresNumber: `,"expires_in":3600}`, ExpiresMissing: `"token_type":"Bearer"}`,
	} {
		cfg := testConfig()
		cfg.ExpiresIn = form
		s := New(cfg)
		for _, path := range []string{pathToken, pathToken + "?v=2.0"} {
			got := askToken(t, s, path, goodForm)
			var answer struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != 200 || !strings.HasSuffix(got.body, want) {
				t.Fatalf("got %+v", got)
			}
			req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
			req.Header.Set("Authorization", "bearer "+answer.Token)
			if got := send(inMemory(s), req); got.status != 200 {
				t.Errorf("got %+v", got)
			}
		}
		if r := s.Requests()[0]; r.Call != CallToken || !r.Processed || r.Status != 200 {
			t.Errorf("got %+v", r)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	with := func(name, value string) string {
		form, err := url.ParseQuery(goodForm)
		if err != nil {
			t.Fatal(err)
		}
		form.Set(name, value)
		return form.Encode()
	}
	const invalid, client = "invalid_request", "invalid_client"
	for _, tt := range []struct {
		name, path, form string
		status           int
		word, text       string
	}{
		{"wrong id", pathToken, with("client_id", "x"), 401, client, "client_id or client_secret is wrong"},
		{"wrong secret", pathToken, with("client_secret", "x"), 401, client, "client_id or client_secret is wrong"},
		{"another grant", pathToken, with("grant_type", "password"), 400, invalid, "grant_type must be client_credentials"},
		{"no secret", pathToken, with("client_secret", ""), 400, invalid, "client_secret must come once"},
		{"two secrets", pathToken, goodForm + "&client_secret=x", 400, invalid, "client_secret must come once"},
		{"more", pathToken, with("scope", "x"), 400, invalid, "unknown field in the form"},
		{"no form", pathToken, "%zz", 400, invalid, "the body is not a form"},
		{"another version", pathToken + "?v=1.0", goodForm, 400, invalid, "the query must be empty or v=2.0"},
		{"another account", strings.Replace(pathToken, testAccount, "1", 1), goodForm, 404, invalid, "there is no such account"},
		{"large", pathToken, goodForm + "&x=" + strings.Repeat("a", 64<<10), 400, invalid, "the body could not be read"},
	} {
		s := New(testConfig())
		got := askToken(t, s, tt.path, tt.form)
		if want := `{"error":"` + tt.word + `","error_description":"` + tt.text + `"}`; got.status != tt.status || got.body != want {
			t.Errorf("%s: got %+v, want %s", tt.name, got, want)
		}
	}
	if got := askToken(t, New(Config{}), pathToken, goodForm); got.status != 401 {
		t.Errorf("got %+v without a client", got)
	}
	s := New(testConfig())
	if got := post(t, s, pathToken, goodForm); got.status != 400 || !strings.Contains(got.body, "Content-Type must be application/x-www-form-urlencoded") {
		t.Errorf("got %+v", got)
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	good := New(testConfig()) // gives tokens of another key
	for _, tt := range []struct {
		name   string
		change func(*Server, *http.Request)
		want   string
	}{
		{"none", func(_ *Server, r *http.Request) { r.Header.Del("Authorization") }, "No Authorization Header"},
		{"two", func(_ *Server, r *http.Request) { r.Header.Add("Authorization", "Bearer x") }, "Invalid Authorization Header - there are several"},
		{"another scheme", func(_ *Server, r *http.Request) { r.Header.Set("Authorization", "Basic x") }, "Invalid Authorization Header - its scheme is not OAuth"},
		{"no token", func(_ *Server, r *http.Request) { r.Header.Set("Authorization", "Bearer") }, "Invalid Bearer token: invalid token"},
		{"made up", func(_ *Server, r *http.Request) { r.Header.Set("Authorization", "Bearer a.b.c") }, "Invalid Bearer token: invalid token"},
		{"of another key", func(_ *Server, r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+good.IssueToken(testAccount))
		}, "Invalid Bearer token: invalid token"},
		{"of another account", func(s *Server, r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.IssueToken("1")) }, "Invalid Bearer token: jwt audience invalid"},
		{"revoked", func(s *Server, _ *http.Request) { s.ExpireTokens() }, "Invalid Bearer token: jwt expired"},
		{"badly signed", func(s *Server, r *http.Request) { signed(s, r); r.URL.RawQuery = "v=2.0&a" }, "Invalid oauth_signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
			tt.change(s, req)
			wantCode(t, send(inMemory(s), req), 401, 1100, tt.want)
			if r := s.Requests()[0]; r.Processed || r.Status != 401 || r.Reason != "1100 "+tt.want {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// OAuth 1.0 is good beside tokens, and a nonce only once.
func TestSigned(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	req := signed(s, request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil)))
	if got := send(inMemory(s), req); got.status != 200 || s.Requests()[0].Auth != "oauth1" {
		t.Errorf("got %+v", got)
	}
	again := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
	again.Header.Set("Authorization", req.Header.Get("Authorization"))
	wantCode(t, send(inMemory(s), again), 401, 1100, "Invalid Nonce - Nonce has been previously used")
	cfg := testConfig()
	cfg.ConsumerKey = ""
	s = New(cfg)
	req = signed(New(testConfig()), request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil)))
	wantCode(t, send(inMemory(s), req), 401, 1100, "Unknown oauth_consumer_key")
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.TokenLife = 90 * time.Second
		s := New(cfg)
		req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
		head := req.Header
		use := func() result {
			req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
			req.Header = head
			return send(inMemory(s), req)
		}
		time.Sleep(90*time.Second - time.Millisecond)
		if got := use(); got.status != 200 {
			t.Errorf("got %+v", got)
		}
		s.SetClock(time.Second)
		wantCode(t, use(), 401, 1100, "Invalid Bearer token: jwt expired")
		s.SetClock(0)
		time.Sleep(time.Millisecond)
		wantCode(t, use(), 401, 1100, "Invalid Bearer token: jwt expired")
	})
}

// Others can ask whether a token is good.
func TestKnows(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	token := s.IssueToken(testAccount)
	if !s.Knows(token, testAccount) || s.Knows(token, "1") || s.Knows("x", testAccount) {
		t.Error("a good token is not known, or a bad one is")
	}
	s.ExpireTokens()
	if s.Knows(token, testAccount) {
		t.Error("an expired one is known")
	}
}
