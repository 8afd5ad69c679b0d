package c2mtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	if got, want := s.URL(), "https://va.connect-to-messaging.liveperson.net"; got != want {
		t.Errorf("got URL %s, want %s", got, want)
	}
	s.Close() // nothing to close
	for range 2 {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil || !strings.HasPrefix(err.Error(), "c2mtest: start: ") {
			t.Errorf("a second Start: %v", err)
		}
		if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
			t.Errorf("got URL %s", s.URL())
		}
		if got := send(overSocket(t), request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))); got.status != 200 {
			t.Errorf("got %+v", got)
		}
		old := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
		s.Close()
		if got := send(overSocket(t), old); got.err == nil {
			t.Errorf("got %+v after Close", got)
		}
	}
	if got := len(s.Eligibilities()); got != 2 {
		t.Errorf("got %d eligibilities, want those before and after the restart", got)
	}
}

// A base with a path has all APIs below it, and RoundTrip knows no other host.
func TestBaseURL(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.BaseURL = "https://gateway.example.com/lp/"
	s := New(cfg)
	if got := post(t, s, pathAsk, body(t, askFields(), nil)); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	if got := askToken(t, s, pathToken, goodForm); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
	req.URL.Path = strings.TrimPrefix(req.URL.Path, "/lp")
	wantCode(t, send(inMemory(s), req), 404, 1004, "Not Found")
	req = request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
	req.URL.Host = "va.connect-to-messaging.liveperson.net"
	if got := send(inMemory(s), req); got.err == nil {
		t.Errorf("got %+v of another host", got)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	s := RunT(t, testConfig())
	s.SetFault(CallEligibility, &Fault{Status: 503})
	sum := sha256.Sum256([]byte("c2mtest abc"))
	for _, client := range []*http.Client{inMemory(s), overSocket(t)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/c2mtest?challenge=abc", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := send(client, req); got.status != 200 || got.body != hex.EncodeToString(sum[:]) {
			t.Errorf("got %+v", got)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests are in the record", n)
	}
}

func TestUniqueCallIDs(t *testing.T) {
	t.Parallel()
	unique := testConfig()
	unique.Seed = ""
	a, _ := ask(t, New(unique), testNumber)
	b, _ := ask(t, New(unique), testNumber)
	c, _ := ask(t, New(testConfig()), testNumber)
	d, _ := ask(t, New(testConfig()), testNumber)
	if a == b || c != d {
		t.Errorf("got %s and %s, with a seed %s and %s", a, b, c, d)
	}
}

func TestKeepLast(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.KeepLast = 2
	s := New(cfg)
	var ids []string
	for range 4 {
		id, _ := ask(t, s, testNumber)
		ids = append(ids, id)
	}
	wantCode(t, invite(t, s, ids[0], nil), 404, 1004, "Not Found: there is no such callId (any more)")
	if got := invite(t, s, ids[3], nil); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	if e, r := s.Eligibilities(), s.Requests(); len(e) != 2 || e[1].CallID != ids[3] || len(r) != 2 || len(s.tickets.byID) != 2 {
		t.Errorf("got %+v and %+v", e, r)
	}
}

func TestByCallID(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	id, _ := ask(t, s, testNumber)
	if e, known := s.Eligibility(id); !known || e.Number != testNumber {
		t.Errorf("got %+v, %t", e, known)
	}
	if i, known := s.Invite(id); known {
		t.Errorf("got %+v", i)
	}
	invite(t, s, id, nil)
	invite(t, s, id, map[string]any{"overrideSkill": "sales"})
	if i, known := s.Invite(id); !known || i.Skill != "sales" || i.CallID != id {
		t.Errorf("got %+v, %t", i, known)
	}
	s.OpenConversation(testNumber)
	id, _ = ask(t, s, testNumber)
	if e, known := s.Eligibility(id); !known || e.Eligible {
		t.Errorf("got %+v, %t", e, known)
	}
	if _, known := s.Eligibility("x"); known {
		t.Error("knows what it never gave")
	}
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Rate, cfg.ReportRate = -1, -1
	cfg.Consumer = func(Invite) Consumer { return Consumer{Replies: true, After: time.Hour} }
	s := RunT(t, cfg)
	socket, memory := overSocket(t), inMemory(s)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			client := memory
			if i%2 == 0 {
				client = socket
			}
			number := fmt.Sprintf("+14043438%03d", i)
			got := send(client, request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), map[string]any{"consumerPhoneNumber": number})))
			id := got.body[strings.LastIndex(got.body, `:"`)+2 : len(got.body)-2]
			if got := send(client, request(t, t.Context(), s, http.MethodPost, pathInvite, `{"callId":"`+id+`"}`)); got.status != 200 {
				t.Errorf("got %+v", got)
			}
			transactions(t, s, "{}")
			s.Requests()
			s.OptOut(number, true)
			s.CloseConversation(number)
		})
	}
	wg.Wait()
	numbers := map[string]bool{}
	for _, inv := range s.Invites() {
		numbers[inv.Number] = true
	}
	if len(numbers) != 40 || len(s.Violations()) != 0 {
		t.Errorf("got %d numbers, %v", len(numbers), s.Violations())
	}
}

func TestLogHasNoNumbers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := testConfig()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := New(cfg)
	id, _ := ask(t, s, testNumber)
	s.Inject(CallInvite, Fault{Truncate: true})
	invite(t, s, id, map[string]any{"overrideMessage": "come here"})
	post(t, s, pathAsk, body(t, askFields(), map[string]any{"consumerPhoneNumber": "14043438646", "ivrNumber": "1800555x"}))
	askToken(t, s, pathToken, goodForm+"&x=y")
	transactions(t, s, "{}")
	for _, secret := range []string{"4043438646", "180000", "1800555x", "client secret", "client+secret", "come here", "John", "eyJ"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s:\n%s", secret, &log)
		}
	}
	for _, want := range []string{
		`level=DEBUG msg="request answered" status=200 reason="" fault="" call=eligibility call_id=` + id,
		`fault=truncate call=invite call_id=` + id,
		`level=WARN msg="request answered" status=400 reason="1000 Invalid request: ivrNumber must be up to 15 digits" fault="" call=eligibility`,
		`call=transactions call_id="" rows=1`,
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
		{"keep", func(c *Config) { c.KeepLast = -1 }, "c2mtest: New: Config.KeepLast is negative"},
		{"token", func(c *Config) { c.TokenLife = -1 }, "c2mtest: New: Config.TokenLife is negative"},
		{"ticket", func(c *Config) { c.TicketLife = -1 }, "c2mtest: New: Config.TicketLife is negative"},
		{"lag", func(c *Config) { c.Report.Lag = -1 }, "c2mtest: New: Config.Report.Lag is negative"},
		{"form", func(c *Config) { c.ExpiresIn = 3 }, "c2mtest: New: Config.ExpiresIn 3 is unknown"},
		{"second invite", func(c *Config) { c.SecondInvite = 2 }, "c2mtest: New: Config.SecondInvite 2 is unknown"},
		{"open", func(c *Config) { c.Open = -1 }, "c2mtest: New: Config.Open -1 is unknown"},
		{"channel", func(c *Config) { c.Channels = []string{"fax"} }, `c2mtest: New: Config.Channels: "fax" is unknown`},
		{"channel twice", func(c *Config) { c.Channels = []string{SMS, SMS} }, `c2mtest: New: Config.Channels: "sms" comes twice, or beside others`},
		{"app beside", func(c *Config) { c.Channels = []string{SMS, InApp} }, `c2mtest: New: Config.Channels: "inapp" comes twice, or beside others`},
		{"base", func(c *Config) { c.BaseURL = "va.example.com" }, "c2mtest: New: Config.BaseURL must be http(s)://host[/path]"},
		{"base unreadable", func(c *Config) { c.BaseURL = "https://%zz" }, `c2mtest: New: Config.BaseURL: parse "https://%zz": invalid URL escape "%zz"`},
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

// BenchmarkCall shows what the double itself costs those who use it: two requests.
func BenchmarkCall(b *testing.B) {
	cfg := testConfig()
	cfg.Rate = -1
	s := New(cfg)
	b.ReportAllocs()
	for b.Loop() {
		id, _ := ask(b, s, testNumber)
		if got := invite(b, s, id, nil); got.status != 200 {
			b.Fatal(got)
		}
	}
}
