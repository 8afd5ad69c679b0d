package c2mtest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const (
	testAccount = "38856538"
	testNumber  = "+14043438646"
	pathAsk     = "/api/account/" + testAccount + "/eligibility?v=2.0"
	pathInvite  = "/api/account/" + testAccount + "/invite?v=2.0"
	pathToken   = "/sentinel/api/v2/account/" + testAccount + "/app/token"
)

func testConfig() Config {
	return Config{
		Account: testAccount, ClientID: "client", ClientSecret: "client secret", Seed: "test",
		ConsumerKey: "0123456789abcdef0123456789abcdef", ConsumerSecret: "appsecret",
		Token: "fedcba9876543210fedcba9876543210", TokenSecret: "tokensecret",
	}
}

// askFields is the vendor's example, with all that is optional for sms.
func askFields() map[string]any {
	return map[string]any{
		"skill": "support", "consumerPhoneNumber": testNumber, "handoffId": "H123456789", "ivrNumber": "180000",
		"templateVariables": map[string]any{"1": "test"},
		"sdes": []any{
			map[string]any{"type": "ctmrinfo", "info": map[string]any{"customerId": "138766AC", "balance": -400.99}},
			map[string]any{"type": "personal", "personal": map[string]any{"firstname": "John", "lastname": "Doe"}},
		},
	}
}

// body writes fields with some replaced; nil takes one out.
func body(t testing.TB, fields, changes map[string]any) string {
	t.Helper()
	fields = maps.Clone(fields)
	maps.Copy(fields, changes)
	maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// result is what a client learns.
type result struct {
	err     error // of the request
	bodyErr error // of reading the body
	status  int
	header  http.Header
	body    string
}

func send(client *http.Client, req *http.Request) result {
	resp, err := client.Do(req)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return result{status: resp.StatusCode, header: resp.Header, body: string(body), bodyErr: err}
}

// inMemory is a client without sockets that follows no redirect.
func inMemory(s *Server) *http.Client {
	return &http.Client{Transport: s, CheckRedirect: noRedirect}
}

// overSocket is a client of its own connections.
func overSocket(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: noRedirect}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// request makes a request in order, with a token.
func request(t testing.TB, ctx context.Context, s *Server, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+s.IssueToken(testAccount))
	return req
}

var nonces atomic.Int64

// signed makes it a request with a signature.
func signed(s *Server, req *http.Request) *http.Request {
	req.Header.Set("Authorization", double.Authorize(double.Keys{
		ConsumerKey: s.cfg.ConsumerKey, ConsumerSecret: s.cfg.ConsumerSecret, Token: s.cfg.Token, TokenSecret: s.cfg.TokenSecret,
	}, req.Method, req.URL.String(), map[string]string{
		"oauth_consumer_key": s.cfg.ConsumerKey, "oauth_token": s.cfg.Token, "oauth_signature_method": "HMAC-SHA1",
		"oauth_timestamp": "1528932953", "oauth_nonce": strconv.FormatInt(nonces.Add(1), 10), "oauth_version": "1.0",
	}))
	return req
}

// post posts a request in order, in memory.
func post(t testing.TB, s *Server, path, body string) result {
	t.Helper()
	return send(inMemory(s), request(t, t.Context(), s, http.MethodPost, path, body))
}

func get(t testing.TB, s *Server, path string) result {
	t.Helper()
	return send(inMemory(s), request(t, t.Context(), s, http.MethodGet, path, ""))
}

// ask asks for the eligibility of a number and gives the callId.
func ask(t testing.TB, s *Server, number string) (callID string, eligible bool) {
	t.Helper()
	got := post(t, s, pathAsk, body(t, askFields(), map[string]any{"consumerPhoneNumber": number}))
	var a struct {
		CallID   string
		Eligible bool
	}
	if err := json.Unmarshal([]byte(got.body), &a); err != nil || got.status != 200 {
		t.Fatalf("got %+v", got)
	}
	return a.CallID, a.Eligible
}

// invite invites with a callId, and more fields.
func invite(t testing.TB, s *Server, callID string, more map[string]any) result {
	t.Helper()
	return post(t, s, pathInvite, body(t, map[string]any{"callId": callID}, more))
}

// wantCode checks a refusal with one of the vendor's codes.
func wantCode(t testing.TB, got result, status, number int, text string) {
	t.Helper()
	want := errorBody(code(number), text)
	if got.err != nil || got.status != status || got.body != want {
		t.Errorf("got %+v, want status %d, body %s", got, status, want)
	}
}
