package liveperson

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// vendor is a double of sentinel and of an API that takes its tokens: each has the number of
// the token in it, and lives as long as the answer says.
type vendor struct {
	token func(ctx context.Context, n int) (*http.Response, error) // nil: token 1, 2, ... of an hour
	api   func(token string) int                                   // status; nil: 200

	mu     sync.Mutex
	tokens []time.Time // when one was asked for
	used   []string    // with requests for the API
	last   *http.Request
	form   string
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (v *vendor) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.URL.Path, "/sentinel/") {
		token := req.Header.Get("Authorization")
		v.mu.Lock()
		v.used = append(v.used, token)
		v.mu.Unlock()
		if req.Body != nil {
			req.Body.Close()
		}
		if v.api != nil {
			return answer(v.api(token), `{"message":"jwt expired"}`), nil
		}
		return answer(200, "{}"), nil
	}
	form, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.tokens = append(v.tokens, time.Now())
	n := len(v.tokens)
	v.last, v.form = req, string(form)
	v.mu.Unlock()
	if v.token != nil {
		return v.token(req.Context(), n)
	}
	return answer(200, fmt.Sprintf(`{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`, n)), nil
}

func (v *vendor) asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.tokens)
}

// take returns the tokens that were used since the last time, without their scheme.
func (v *vendor) take() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	used := v.used
	v.used = nil
	for i := range used {
		used[i] = strings.TrimPrefix(used[i], "Bearer ")
	}
	return used
}

func app() *OAuth2 {
	return &OAuth2{Account: "38856538", ClientID: "the-app", ClientSecret: deflect.NewSecret("opensesame"), URL: "https://va.sentinel.liveperson.net"}
}

// send is one request of a Client with a deadline of 4 s.
func send(l *wire.Link) deflect.Attempt {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	return sendWithin(ctx, l)
}

func sendWithin(ctx context.Context, l *wire.Link) deflect.Attempt {
	return l.Send(ctx, "https://example.net/x", []byte("{}"), func(status int, _ http.Header, _ []byte, _ error) deflect.Attempt {
		switch status {
		case 200:
			return deflect.Attempt{Outcome: deflect.Sent, Reason: deflect.ReasonOK, Status: status}
		case 401:
			return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonUnauthorized, Status: status}
		}
		return deflect.Attempt{Outcome: deflect.Uncertain, Reason: deflect.ReasonServerError, Status: status}
	})
}

func link(a *OAuth2, v *vendor) *wire.Link { return wire.NewLink(a, v, &wire.Clock{}) }

func wantSent(t *testing.T, a deflect.Attempt) {
	t.Helper()
	if a.Outcome != deflect.Sent {
		t.Errorf("%+v, want sent", a)
	}
}

func wantNoToken(t *testing.T, a deflect.Attempt, words string) {
	t.Helper()
	if a.Outcome != deflect.Failed || a.Reason != deflect.ReasonUnauthorized || a.Err == nil || !strings.Contains(a.Err.Error(), words) {
		t.Errorf("%+v, want failed unauthorized that says %q", a, words)
	}
}

// The request for a token is what LivePerson's page shows.
func TestTokenRequest(t *testing.T) {
	v := &vendor{}
	a := app()
	a.ClientSecret = deflect.NewSecret("a+b&c=d é")
	wantSent(t, send(link(a, v)))
	if got, want := v.last.Method+" "+v.last.URL.String(), "POST https://va.sentinel.liveperson.net/sentinel/api/v2/account/38856538/app/token"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if want := "client_id=the-app&client_secret=a%2Bb%26c%3Dd+%C3%A9&grant_type=client_credentials"; v.form != want {
		t.Errorf("form %s, want %s", v.form, want)
	}
	id := v.last.Header.Get("X-Request-Id")
	v.last.Header.Del("X-Request-Id")
	want := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"ivrdeflect"},
	}
	if diff := cmp.Diff(want, v.last.Header); diff != "" {
		t.Error(diff)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) || id == requestID() {
		t.Errorf("request id %q", id)
	}
	if diff := cmp.Diff([]string{"t1"}, v.take()); diff != "" {
		t.Error(diff)
	}
}

// A burst is one request for a token, whose end nobody waits for longer than he may.
func TestTokenIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{token: func(_ context.Context, n int) (*http.Response, error) {
			time.Sleep(6 * time.Second)
			return answer(200, `{"access_token":"t1"}`), nil
		}}
		a := app()
		l, other := link(a, v), link(a, v)
		var calls sync.WaitGroup
		begin := time.Now()
		for i := range 50 {
			calls.Go(func() {
				if i < 25 {
					wantNoToken(t, send(l), "sentinel has not answered in time")
					return
				}
				time.Sleep(3 * time.Second)
				wantSent(t, send(other))
			})
		}
		calls.Wait()
		if n, took := v.asked(), time.Since(begin); n != 1 || took != 6*time.Second {
			t.Errorf("%d tokens, %s", n, took)
		}
	})
}

// A token that comes when hardly any time is left is not used: the request would end in
// doubt.
func TestTokenTooLateIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{token: func(context.Context, int) (*http.Response, error) {
			time.Sleep(3900 * time.Millisecond)
			return answer(200, `{"access_token":"t1"}`), nil
		}}
		l := link(app(), v)
		wantNoToken(t, send(l), "no token in time")
		if used := v.take(); used != nil {
			t.Errorf("%q was posted", used)
		}
		wantSent(t, send(l))
	})
}

// Whoever comes with hardly any time left, and without a token, was kept by others: that is
// neither sentinel's fault nor the credentials', and no sign of the API's health. The token is
// there for the next one.
func TestNoTimeForAToken(t *testing.T) {
	for _, left := range []time.Duration{0, time.Millisecond, 199 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{token: func(context.Context, int) (*http.Response, error) {
				time.Sleep(100 * time.Millisecond)
				return answer(200, `{"access_token":"t1"}`), nil
			}}
			l := link(app(), v)
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			a := sendWithin(ctx, l)
			if a.Outcome != deflect.Failed || a.Reason != deflect.ReasonDeadline || !a.NoSign || !errors.Is(a.Err, context.DeadlineExceeded) || strings.Contains(a.Err.Error(), "sentinel") {
				t.Errorf("with %s left: %+v", left, a)
			}
			time.Sleep(time.Second)
			if used := v.take(); used != nil {
				t.Errorf("%q was posted", used)
			}
			wantSent(t, send(l))
			if n := v.asked(); n != 1 {
				t.Errorf("%d tokens", n)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := link(app(), &vendor{})
		if a := sendWithin(ctx, l); a.Outcome != deflect.Failed || a.Reason != deflect.ReasonCanceled {
			t.Errorf("canceled: %+v", a)
		}
	})
	// What sentinel refuses it refuses also whoever is late.
	synctest.Test(t, func(t *testing.T) {
		l := link(app(), &vendor{token: func(context.Context, int) (*http.Response, error) { return answer(401, "{}"), nil }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wantNoToken(t, sendWithin(ctx, l), "sentinel refuses the app")
	})
}

// A minute before its end a token is fetched anew, beside the requests. While that fails they
// go on with the old one, until it ends.
func TestTokenIsRefreshedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		works := true
		v := &vendor{}
		v.token = func(ctx context.Context, n int) (*http.Response, error) {
			if n == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if !works {
				return answer(503, ""), nil
			}
			return answer(200, fmt.Sprintf(`{"access_token":"t%d","expires_in":"3600"}`, n)), nil
		}
		l := link(app(), v)
		at := func(after time.Duration) { time.Sleep(time.Until(begin.Add(after))); synctest.Wait() }
		wantUsed := func(want string) {
			t.Helper()
			before := time.Now()
			wantSent(t, send(l))
			if used := v.take(); len(used) != 1 || used[0] != want || time.Since(before) != 0 {
				t.Errorf("after %s: %q after %s, want %s", time.Since(begin), used, time.Since(before), want)
			}
			synctest.Wait()
		}
		wantUsed("t1")
		at(58 * time.Minute)
		wantUsed("t1")
		if n := v.asked(); n != 1 {
			t.Errorf("%d tokens before the last minute", n)
		}
		at(59 * time.Minute)
		wantUsed("t1") // and the second one hangs
		wantUsed("t1")
		if n := v.asked(); n != 2 {
			t.Errorf("%d tokens, want one in the background", n)
		}
		works = false
		at(59*time.Minute + 15*time.Second)
		wantUsed("t1")
		works = true
		at(59*time.Minute + 30*time.Second)
		wantUsed("t1")
		wantUsed("t4")
		// Nobody calls: nobody fetches. What ended meanwhile is not used.
		at(24 * time.Hour)
		if n := v.asked(); n != 4 {
			t.Errorf("%d tokens without calls", n)
		}
		wantUsed("t5")
		// Not one to be had before the end.
		works = false
		at(25*time.Hour - time.Second)
		wantUsed("t5")
		at(25 * time.Hour)
		wantNoToken(t, send(l), "sentinel has a fault (HTTP 503)")
	})
}

// A token that could not be had is not asked for by every call of a burst: those fail at
// once. The pauses grow, to a minute.
func TestTokenPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{token: func(context.Context, int) (*http.Response, error) { return nil, errors.New("no route") }}
		l := link(app(), v)
		begin := time.Now()
		for time.Since(begin) < 5*time.Minute {
			before := time.Now()
			wantNoToken(t, send(l), "sentinel cannot be reached")
			if took := time.Since(before); took != 0 {
				t.Fatalf("a call waited %s", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		var after []string
		for _, at := range v.tokens {
			after = append(after, at.Sub(begin).String())
		}
		want := []string{"0s", "1s", "3s", "7s", "15s", "31s", "1m3s", "2m3s", "3m3s", "4m3s"}
		if diff := cmp.Diff(want, after); diff != "" {
			t.Error(diff)
		}
		v.token = nil
		time.Sleep(time.Minute)
		wantSent(t, send(l))
		if used := v.take(); len(used) != 1 {
			t.Errorf("%q", used)
		}
	})
}

// What one API refuses is fetched anew, once for all who were refused. Another API goes on
// with the one that it takes.
func TestTokenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revoked := ""
		v := &vendor{api: func(token string) int {
			time.Sleep(time.Second)
			if token == revoked {
				return 401
			}
			return 200
		}}
		generous := &vendor{token: func(context.Context, int) (*http.Response, error) { panic("asked") }}
		a := app()
		l, other := link(a, v), link(a, generous)
		wantSent(t, send(l))
		wantSent(t, send(other))
		v.take()
		generous.take()
		revoked = "Bearer t1"
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { wantSent(t, send(l)) })
		}
		calls.Wait()
		used := v.take()
		slices.Sort(used)
		if diff := cmp.Diff(slices.Concat(slices.Repeat([]string{"t1"}, 10), slices.Repeat([]string{"t2"}, 10)), used); diff != "" {
			t.Error(diff)
		}
		wantSent(t, send(other))
		if n, used := v.asked(), generous.take(); n != 2 || len(used) != 1 || used[0] != "t2" {
			t.Errorf("%d tokens, the other API got %q", n, used)
		}
		// Whatever it is given: one new token in ten seconds at most.
		v.api = func(string) int { return 401 }
		for range 100 {
			if a := send(l); a.Outcome != deflect.Failed || a.Reason != deflect.ReasonUnauthorized || a.Status != 401 {
				t.Errorf("%+v", a)
			}
			wantSent(t, send(other))
			time.Sleep(time.Second)
		}
		if n := v.asked(); n > 14 {
			t.Errorf("%d tokens, want about one in ten seconds", n)
		}
	})
}

// A refusal that leaves no time for another request stands.
func TestTokenRefusedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{}
		l := link(app(), v)
		wantSent(t, send(l))
		v.api = func(string) int { time.Sleep(3900 * time.Millisecond); return 401 }
		if a := send(l); a.Outcome != deflect.Failed || a.Reason != deflect.ReasonUnauthorized || a.Status != 401 {
			t.Errorf("%+v", a)
		}
		v.api = nil
		wantSent(t, send(l))
		if diff := cmp.Diff([]string{"t1", "t1", "t2"}, v.take()); diff != "" {
			t.Error(diff)
		}
	})
}

// While a machine sleeps one clock goes on and the other may stand.
func TestTokenAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold("x", time.Now(), 59*time.Minute, time.Hour)
		if h.aging() || h.ended() {
			t.Error("it is old at once")
		}
		h.wall = h.wall.Add(-59 * time.Minute)
		if !h.aging() || h.ended() {
			t.Error("the clock of the wall does not count")
		}
		h.wall = h.wall.Add(24 * time.Hour) // it was set back
		time.Sleep(time.Hour)
		if !h.aging() || !h.ended() {
			t.Error("the clock that does not step does not count")
		}
	})
}

// A defect in whatever carries the request ends nothing but the request.
func TestTokenPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{token: func(context.Context, int) (*http.Response, error) { panic("opensesame") }}
		l := link(app(), v)
		a := send(l)
		wantNoToken(t, a, "defect")
		if strings.Contains(a.Err.Error(), "opensesame") {
			t.Errorf("%v shows the value", a.Err)
		}
		v.token = nil
		time.Sleep(time.Second)
		wantSent(t, send(l))
	})
}

// Requests for tokens are counted by what they ended with.
func TestTokenIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []int{401, 429, 500, 302, 200, 404, 0, -1}
		v := &vendor{token: func(ctx context.Context, n int) (*http.Response, error) {
			switch status := answers[n-1]; status {
			case 0:
				return nil, errors.New("no route")
			case -1:
				<-ctx.Done()
				return nil, ctx.Err()
			default:
				return answer(status, "{}"), nil
			}
		}}
		a := app()
		if diff := cmp.Diff([]string{"token"}, a.Calls()); diff != "" {
			t.Error(diff)
		}
		var got []deflect.Reason
		a.OnRequest(func(string, deflect.Reason) { t.Error("one who was replaced hears of it") })
		a.OnRequest(func(call string, r deflect.Reason) {
			if call != "token" {
				t.Errorf("call %q", call)
			}
			got = append(got, r)
		})
		l := link(a, v)
		for range answers {
			send(l)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		want := []deflect.Reason{
			deflect.ReasonUnauthorized, deflect.ReasonRateLimited, deflect.ReasonServerError, deflect.ReasonRedirected,
			deflect.ReasonBadResponse, deflect.ReasonRejected, deflect.ReasonUnreachable, deflect.ReasonTimeout,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOAuth2Validate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*OAuth2)
		want   string
	}{
		{"valid", func(*OAuth2) {}, ""},
		{"loopback", func(a *OAuth2) { a.URL = "http://127.0.0.1:8091/" }, ""},
		{"no account", func(a *OAuth2) { a.Account = "" }, "account is missing"},
		{"odd account", func(a *OAuth2) { a.Account = "1/../2" }, "account is not an account id (letters and digits)"},
		{"no client", func(a *OAuth2) { a.ClientID = "" }, "client id is missing"},
		{"no secret", func(a *OAuth2) { a.ClientSecret = deflect.Secret{} }, "client secret is missing"},
		{"no URL", func(a *OAuth2) { a.URL = "" }, "the URL of sentinel is missing"},
		{"plain http", func(a *OAuth2) { a.URL = "http://example.net" }, "the URL of sentinel is plain http to another machine: requests carry numbers; use https"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := app()
			tt.change(a)
			got := ""
			if err := a.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Validate() = %q, want %q", got, tt.want)
			}
		})
	}
	if err := (*OAuth2)(nil).Validate(); err == nil {
		t.Error("nil is valid")
	}
}

// Who wants to know whether the credentials are good asks for a token, and for nothing else.
func TestOAuth2Check(t *testing.T) {
	v := &vendor{}
	a := app()
	for range 2 {
		if err := a.Check(t.Context(), v); err != nil {
			t.Error(err)
		}
	}
	wantSent(t, send(link(a, v)))
	if used := v.take(); v.asked() != 1 || len(used) != 1 {
		t.Errorf("%d tokens, %q", v.asked(), used)
	}
	v.token = func(context.Context, int) (*http.Response, error) { return answer(401, ""), nil }
	if err := app().Check(t.Context(), v); err == nil || !strings.Contains(err.Error(), "check account, client id and client secret") {
		t.Error(err)
	}
}

// Who goes on with the same credentials goes on with the token.
func TestKept(t *testing.T) {
	v := &vendor{}
	old, same, other := app(), app(), app()
	other.ClientSecret = deflect.NewSecret("another")
	wantSent(t, send(link(old, v)))
	for _, tt := range []struct{ old, next, want Authenticator }{
		{old, same, old}, {old, other, other}, {old, OAuth1{}, OAuth1{}}, {OAuth1{}, same, same},
		{old, (*OAuth2)(nil), (*OAuth2)(nil)}, {(*OAuth2)(nil), same, same},
	} {
		if got := Kept(tt.old, tt.next); got != tt.want {
			t.Errorf("Kept(%v, %v) = %v", tt.old, tt.next, got)
		}
	}
	wantSent(t, send(link(Kept(old, same).(*OAuth2), v)))
	if n := v.asked(); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// Neither secret nor token shows itself, also in what failed.
func TestOAuth2SecretsDoNotShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{token: func(_ context.Context, n int) (*http.Response, error) {
			switch n {
			case 1:
				return answer(200, `{"access_token":"t0ken","expires_in":10}`), nil
			case 2:
				return answer(400, `{"error":"invalid_client","error_description":"no app has client_secret=opens\u0000esame"}`), nil
			}
			return answer(200, `{"access_token":"t0ken \u0000"}`), nil
		}}
		a := app()
		l := link(a, v)
		wantSent(t, send(l))
		shown := func() string {
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", a)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "auth", a)
			j, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			type config struct{ Auth Authenticator }
			return fmt.Sprintf("%v %+v %#v %v %+v %#v", a, a, a, config{a}, config{a}, l) + log.String() + string(j)
		}
		all := shown()
		if !strings.Contains(all, "[redacted]") {
			t.Error("output does not tell that a secret is set")
		}
		for range 3 {
			time.Sleep(time.Minute)
			refused := send(l)
			all += fmt.Sprintf("%v %+v", refused, refused.Err) + shown()
		}
		for _, secret := range []string{"opens", "sesame", "t0ken", "t0k"} {
			if strings.Contains(all, secret) {
				t.Errorf("%q shows in %s", secret, all)
			}
		}
	})
}
