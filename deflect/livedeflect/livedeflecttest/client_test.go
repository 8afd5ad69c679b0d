package livedeflecttest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const (
	testPath = "/api/contextAndInvite"
	testURL  = "https://va.ivrdeflect.liveperson.net" + testPath
)

func testConfig() Config {
	return Config{
		SiteID:      "38856538",
		ConsumerKey: "0123456789abcdef0123456789abcdef", ConsumerSecret: "appsecret",
		Token: "fedcba9876543210fedcba9876543210", TokenSecret: "tokensecret",
	}
}

// testFields is the vendor's example request.
func testFields() map[string]any {
	return map[string]any{
		"siteId":                       "38856538",
		"skill":                        "sales",
		"customerCountryCode":          "1",
		"customerPhoneNumber":          "4043438646",
		"isMobile":                     "true",
		"deflectionAcceptTime":         "1528932953300",
		"callBeginTime":                "1528932953100",
		"externalCallId":               "1231",
		"dialedCountryCode":            "1",
		"dialedPhoneNumber":            "4029742345",
		"deflectionChannel":            "sms",
		"deflectionText":               "Welcome to our IVR Deflection solution",
		"deflectionHandle":             "14043438646",
		"callerInfo":                   json.RawMessage(`{"userdefinedvar":50,"tshirtsize":"Large"}`),
		"callerEnteredDigits":          "1234",
		"firstName":                    "John",
		"lastName":                     "Doe",
		"deflectionTagText":            "template-1",
		"externalCustomerIdDescriptor": "CustomerId",
		"externalCustomerId":           "123456",
	}
}

// testBody is the example with some fields replaced; nil takes a field out.
func testBody(t testing.TB, changes map[string]any) string {
	t.Helper()
	fields := testFields()
	maps.Copy(fields, changes)
	maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// oauthParams are the parameters of a signature that is yet to be made.
func oauthParams(cfg Config, nonce string) map[string]string {
	return map[string]string{
		"oauth_consumer_key": cfg.ConsumerKey, "oauth_token": cfg.Token,
		"oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0",
		"oauth_timestamp": "1528932953", "oauth_nonce": nonce,
	}
}

// authorize signs a request and writes the header.
func authorize(cfg Config, method, rawURL string, oauth map[string]string) string {
	return double.Authorize(double.Keys{
		ConsumerKey: cfg.ConsumerKey, ConsumerSecret: cfg.ConsumerSecret, Token: cfg.Token, TokenSecret: cfg.TokenSecret,
	}, method, rawURL, oauth)
}

var nonceCounter atomic.Int64

func freshNonce() string { return "nonce" + strconv.FormatInt(nonceCounter.Add(1), 10) }

// request makes a signed request in order.
func request(t testing.TB, ctx context.Context, s *Server, body string) *http.Request {
	t.Helper()
	return post(t, ctx, s, testPath, body)
}

// post makes a signed request to any path.
func post(t testing.TB, ctx context.Context, s *Server, path, body string) *http.Request {
	t.Helper()
	target := s.URL() + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", authorize(s.cfg, http.MethodPost, target, oauthParams(s.cfg, freshNonce())))
	return req
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

// wantRefusal checks an answer that says why.
func wantRefusal(t testing.TB, got result, status int, reason string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"error": reason})
	if err != nil {
		t.Fatal(err)
	}
	if got.err != nil || got.bodyErr != nil || got.status != status || got.body != string(body) {
		t.Errorf("got %+v, want status %d, body %s", got, status, body)
	}
}

// wantSent checks that a text was sent and answered like the vendor does.
func wantSent(t testing.TB, got result, callID int) {
	t.Helper()
	body := fmt.Sprintf(`{"callId":"%d","success":"true"}`, callID)
	if got.err != nil || got.bodyErr != nil || got.status != 200 || got.body != body {
		t.Errorf("got %+v, want status 200, body %s", got, body)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("got Content-Type %q, want application/json", kind)
	}
}

// onLog is a log handler that calls a function for each line: the double logs
// a request when it has judged it.
type onLog func(slog.Record)

func (f onLog) Enabled(context.Context, slog.Level) bool { return true }
func (f onLog) Handle(_ context.Context, r slog.Record) error {
	f(r)
	return nil
}
func (f onLog) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f onLog) WithGroup(string) slog.Handler      { return f }
