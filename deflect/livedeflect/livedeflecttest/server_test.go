package livedeflecttest

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path string
		status       int
		reason       string
	}{
		{"POST", "/", 404, "Not Found"},
		{"POST", "", 404, "Not Found"},
		{"POST", "/api/contextAndInvite/", 404, "Not Found"},
		{"POST", "/api/contextandinvite", 404, "Not Found"},
		{"POST", "/api/%63ontextAndInvite", 401, "No Authorization Header"},
		{"GET", "/api/contextAndInvite", 405, "Method Not Allowed"},
		{"", "/api/contextAndInvite", 405, "Method Not Allowed"},
		{"PUT", "/api/contextAndInvite", 405, "Method Not Allowed"},
		{"PUT", "/", 404, "Not Found"},
		{"POST", "/api/getLiveDeflectData/v2", 401, "No Authorization Header"},
		{"GET", "/api/getLiveDeflectData/v2", 405, "Method Not Allowed"},
		{"HEAD", "/api/getLiveDeflectData/v2", 405, ""},
		{"POST", "/api/getLiveDeflectData", 404, "Not Found"},
		{"POST", "/api/getLiveDeflectData/v2/", 404, "Not Found"},
	} {
		s := New(testConfig())
		req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL()+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := send(inMemory(s), req)
		if tt.method == "HEAD" {
			if got.status != tt.status || got.body != "" {
				t.Errorf("%s: got %+v, want no body", tt.path, got)
			}
		} else {
			wantRefusal(t, got, tt.status, tt.reason)
		}
		if allow := got.header.Get("Allow"); (allow == "POST") != (tt.status == 405) {
			t.Errorf("%s %s: got Allow %q", tt.method, tt.path, allow)
		}
	}
	s := New(testConfig())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, testURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := send(inMemory(s), req); got.status != 405 || got.body != "" {
		t.Errorf("got %+v for HEAD, want status 405 and no body", got)
	}
}

func TestRequestsTellWhatHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig())
		first := request(t, t.Context(), s, testBody(t, map[string]any{"externalCallId": "a"}))
		send(inMemory(s), first)
		time.Sleep(time.Second)
		s.Inject(Fault{ResetAfter: true})
		second := request(t, t.Context(), s, testBody(t, map[string]any{"externalCallId": "b"}))
		send(inMemory(s), second)
		third := request(t, t.Context(), s, testBody(t, map[string]any{"externalCallId": "c", "skill": nil}))
		send(inMemory(s), third)

		start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		want := []Received{
			{Time: start, ExternalCallID: "a", Processed: true, CallID: "473513", Status: 200},
			{Time: start.Add(time.Second), ExternalCallID: "b", Processed: true, CallID: "473514", Fault: "reset-after"},
			{Time: start.Add(time.Second), ExternalCallID: "c", Status: 400, Reason: "skill is required"},
		}
		for i, req := range []*http.Request{first, second, third} {
			want[i].Method, want[i].Path = "POST", testPath
			want[i].Authorization = req.Header.Get("Authorization")
		}
		if diff := cmp.Diff(want, s.Requests()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		var ids []string
		for _, d := range s.Sent() {
			ids = append(ids, d.ExternalCallID+" "+d.CallID)
		}
		if diff := cmp.Diff([]string{"a 473513", "b 473514"}, ids); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestKeepLast(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.KeepLast, cfg.FirstCallID = 2, 1
	s := New(cfg)
	for i := range 5 {
		wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))), i+1)
	}
	sent, requests := s.Sent(), s.Requests()
	if len(sent) != 2 || sent[0].CallID != "4" || sent[1].CallID != "5" || len(requests) != 2 || requests[1].CallID != "5" {
		t.Errorf("got %+v and %+v, want the last two", sent, requests)
	}
}

func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	const clients = 50
	s := RunT(t, testConfig())
	socket, memory := overSocket(t), inMemory(s)
	var wg sync.WaitGroup
	for i := range clients {
		for _, client := range []*http.Client{socket, memory} {
			wg.Go(func() {
				body := testBody(t, map[string]any{"externalCallId": fmt.Sprint(i)})
				if got := send(client, request(t, t.Context(), s, body)); got.status != 200 {
					t.Errorf("got %+v", got)
				}
				s.Sent()
				s.Requests()
			})
		}
	}
	wg.Wait()
	seen := map[string]bool{}
	for i, d := range s.Sent() {
		seen[d.CallID] = true
		if want := fmt.Sprint(473513 + i); d.CallID != want {
			t.Errorf("text %d has callId %s, want %s", i, d.CallID, want)
		}
	}
	if len(seen) != 2*clients {
		t.Errorf("got %d callIds, want %d", len(seen), 2*clients)
	}
}

// One nonce in many requests at once counts once.
func TestConcurrentNonce(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	var wg sync.WaitGroup
	authorization := request(t, t.Context(), s, "").Header.Get("Authorization")
	for range 20 {
		wg.Go(func() {
			req := request(t, t.Context(), s, testBody(t, nil))
			req.Header.Set("Authorization", authorization)
			send(inMemory(s), req)
		})
	}
	wg.Wait()
	if got := len(s.Sent()); got != 1 {
		t.Errorf("got %d texts, want 1", got)
	}
}

func TestLogHasNoNumbers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := testConfig()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := New(cfg)
	s.Inject(Fault{}, Fault{Truncate: true})
	send(inMemory(s), request(t, t.Context(), s, testBody(t, nil)))
	send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"deflectionHandle": "+14043438646"})))
	send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"isMobile": nil})))
	for _, secret := range []string{"4043438646", "4029742345", "appsecret", "tokensecret", "oauth_signature"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s:\n%s", secret, &log)
		}
	}
	for _, want := range []string{
		`level=DEBUG msg="request answered" status=200 reason="" fault="" call_id=473513`,
		`level=WARN msg="request answered" status=400 reason="isMobile is required" fault="" call_id=""`,
		`fault=truncate`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not hold %s:\n%s", want, &log)
		}
	}
}

func TestNewPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"call id", func(c *Config) { c.FirstCallID = -1 }, "livedeflecttest: New: Config.FirstCallID is negative"},
		{"keep", func(c *Config) { c.KeepLast = -1 }, "livedeflecttest: New: Config.KeepLast is negative"},
		{"lag", func(c *Config) { c.Report.Lag = -1 }, "livedeflecttest: New: Config.Report.Lag is negative"},
		{"unit", func(c *Config) { c.TimeUnit = 3 }, "livedeflecttest: New: Config.TimeUnit 3 is unknown"},
		{"base without scheme", func(c *Config) { c.BaseURL = "va.example.com" }, "livedeflecttest: New: Config.BaseURL must be http(s)://host[/path]"},
		{"base with query", func(c *Config) { c.BaseURL = "https://va.example.com?a" }, "livedeflecttest: New: Config.BaseURL must be http(s)://host[/path]"},
		{"base with user", func(c *Config) { c.BaseURL = "https://a:b@va.example.com" }, "livedeflecttest: New: Config.BaseURL must be http(s)://host[/path]"},
		{"base unreadable", func(c *Config) { c.BaseURL = "https://%zz" }, `livedeflecttest: New: Config.BaseURL: parse "https://%zz": invalid URL escape "%zz"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			}()
			cfg := testConfig()
			tt.change(&cfg)
			New(cfg)
		})
	}
}
