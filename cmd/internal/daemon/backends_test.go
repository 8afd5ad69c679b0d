package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

const clientSecret = "opensesame-client"

// c2mText is testConfig with Connect to Messaging in place of LiveDeflect, at a double that
// is its Domain API too.
func c2mText(domainURL string, pairs ...string) string {
	at := strings.Index(testConfig, "freeswitch:")
	text := strings.NewReplacer(pairs...).Replace(testConfig[at:])
	return fmt.Sprintf("c2m: {account: \"38856538\", client_id: CLIENT, handoff_id: H123456789, live_deadline: 1m, eligibility_deadline: 30s, domain_url: %q}\n", domainURL) + text
}

func parsed(t *testing.T, text string) config.File {
	t.Helper()
	f, err := config.Parse("test.yaml", []byte(text), secretOf)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func secretOf(name string) string {
	return map[string]string{
		"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret, "DEFLECT_CLIENT_SECRET": clientSecret,
	}[name]
}

func newC2M(t *testing.T, change ...func(*c2mtest.Config)) *c2mtest.Server {
	t.Helper()
	cfg := c2mtest.Config{Account: "38856538", ClientID: "CLIENT", ClientSecret: clientSecret, Rate: -1}
	for _, do := range change {
		do(&cfg)
	}
	return c2mtest.RunT(t, cfg)
}

// speaking starts a daemon of a configuration.
func speaking(t *testing.T, text string, change ...func(*Options)) *bench {
	t.Helper()
	return start(t, func(o *Options) {
		o.Config, o.Registry = parsed(t, text), prometheus.NewRegistry()
		for _, do := range change {
			do(o)
		}
	})
}

// from is pressOne of another caller.
func from(ani string) freeswitchtest.Call {
	c := pressOne
	c.ANI, c.Answered, c.Prompts = ani, false, map[string]time.Duration{"offer.wav": time.Hour, "ivrdeflect/en/sent.wav": time.Millisecond}
	return c
}

func (b *bench) one(call freeswitchtest.Call) freeswitchtest.Result {
	b.t.Helper()
	r, err := call.Dial(b.t.Context(), b.daemon.Addr())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func came(r freeswitchtest.Result) string {
	return r.Vars["deflect_outcome"] + "/" + r.Vars["deflect_reason"]
}

func TestConnectToMessaging(t *testing.T) {
	api := newC2M(t)
	b := speaking(t, c2mText(api.URL()))
	open := "+14043438647"
	api.OpenConversation(open)
	for _, tt := range []struct {
		name, from, want string
		answered         bool
		fault            c2mtest.Fault
	}{
		{"presses 1", caller, reason(deflect.Sent, deflect.ReasonOK), true, c2mtest.Fault{}},
		{"has an open conversation", open, reason(deflect.Ineligible, deflect.ReasonNotEligible), false, c2mtest.Fault{}},
		{"cannot be asked about", "+14043438648", reason(deflect.Ineligible, deflect.ReasonEligibilityUnknown), false, c2mtest.Fault{Status: 500}},
	} {
		if tt.fault != (c2mtest.Fault{}) {
			api.Inject(c2mtest.CallEligibility, tt.fault)
		}
		r := b.one(from(tt.from))
		if diff := cmp.Diff(tt.want, came(r)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tt.name, diff)
		}
		if got := len(r.Played) > 0; got != tt.answered {
			t.Errorf("%s: heard %v", tt.name, r.Played)
		}
	}
	if n, asked := len(api.Invites()), len(api.Eligibilities()); n != 1 || asked != 2 {
		t.Errorf("%d invites and %d eligibilities, want 1 and 2", n, asked)
	}
	if v := api.Violations(); len(v) > 0 {
		t.Errorf("violations: %+v", v)
	}
	_, text := b.get("/metrics")
	for _, series := range []string{
		`deflect_requests_total{call="eligibility",result="ok"} 1`, `deflect_requests_total{call="invite",result="ok"} 1`,
		`deflect_requests_total{call="token",result="ok"} 1`, `deflect_requests_total{call="domain",result="ok"} 2`,
		`deflect_requests_total{call="eligibility",result="server_error"} 1`, `deflect_breaker_state{state="closed"} 1`,
	} {
		if !strings.Contains(text, series+"\n") {
			t.Errorf("/metrics does not have %s:\n%s", series, linesWith(text, "deflect_requests_total"))
		}
	}
	if _, text := b.get("/-/api"); !strings.Contains(text, `"simulated":true`) {
		t.Errorf("/-/api: %s", text)
	}
	b.end()
	if !strings.Contains(b.log.text(), `"apis":["c2m"]`) {
		t.Errorf("the log does not say which API is spoken:\n%s", b.log.text())
	}
}

func linesWith(text, prefix string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) && !strings.HasSuffix(line, " 0\n") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// What the Domain API told is kept beside the journal: the next start works without it.
func TestHostsAreKept(t *testing.T) {
	api, dir := newC2M(t), t.TempDir()
	state := func(o *Options) { o.Config.StateDir = dir }
	b := speaking(t, c2mText(api.URL()), state)
	if got, want := came(b.one(from(caller))), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("with the Domain API: %s, want %s", got, want)
	}
	b.end()
	info, err := os.Stat(filepath.Join(dir, "domains.json"))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the hosts are kept as %v, %v", info, err)
	}
	api.SetFault(c2mtest.CallDomain, &c2mtest.Fault{Status: 500})
	b = speaking(t, c2mText(api.URL()), state)
	if got, want := came(b.one(from("+14043438647"))), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("without it: %s, want %s", got, want)
	}
	b.end()
	if err := os.WriteFile(filepath.Join(dir, "domains.json"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	api.SetFault(c2mtest.CallDomain, nil)
	b = speaking(t, c2mText(api.URL()), state)
	if got, want := came(b.one(from("+14043438648"))), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("with a file that is none: %s, want %s", got, want)
	}
	b.end()
}

// bothText has two profiles, of which one has the other API.
func bothText(domainURL, api string) string {
	return strings.Replace(testConfig, "profiles:\n", fmt.Sprintf(`c2m: {account: "38856538", client_id: CLIENT, handoff_id: H123456789, eligibility_deadline: 30s, domain_url: %q}
profiles:
  - {name: other, dialed: ["+18005550101"], api: %s, skill: sales, text: "Hello.", gap: 1ms, cooldown: 0s, prompts: {offer: offer.wav, wait: ""}}
`, domainURL, api), 1)
}

// Each profile has its API, which a reload can change; and a load test has to know of both.
func TestProfilesHaveTheirAPI(t *testing.T) {
	api := newC2M(t)
	var live string
	name := "c2m"
	load := func() (config.File, error) {
		f := parsed(t, bothText(api.URL(), name))
		f.LiveDeflect.BaseURL = live
		return f, nil
	}
	b := start(t, func(o *Options) {
		live = o.Config.LiveDeflect.BaseURL
		o.Config, _ = load()
		o.Load, o.Registry = load, prometheus.NewRegistry()
	})
	call := func(dnis string, wantLive, wantC2M int) {
		t.Helper()
		c := from(caller)
		c.DNIS = dnis
		if got, want := came(b.one(c)), reason(deflect.Sent, deflect.ReasonOK); got != want {
			t.Errorf("%s: %s, want %s", dnis, got, want)
		}
		if l, c := len(b.api.Requests()), len(api.Invites()); l != wantLive || c != wantC2M {
			t.Errorf("%s: LiveDeflect sent %d and Connect to Messaging %d, want %d and %d", dnis, l, c, wantLive, wantC2M)
		}
	}
	call(dialed, 1, 0)
	call("+18005550101", 1, 1)
	if _, text := b.get("/metrics"); !strings.Contains(text, `deflect_breaker_state{state="closed"} 2`+"\n") {
		t.Error("/metrics does not have two breakers")
	}
	if _, text := b.get("/-/api"); !strings.Contains(text, `"simulated":true`) {
		t.Errorf("/-/api: %s", text)
	}
	name = "livedeflect"
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	call("+18005550101", 2, 1)
	b.end()
}

// One of the APIs that is no simulator is enough for people to be texted.
func TestEveryAPIHasToBeADouble(t *testing.T) {
	text := strings.Replace(bothText("http://127.0.0.1:1", "c2m"), "domain_url:", "base_url: \"https://va.connect-to-messaging.liveperson.net\", domain_url:", 1)
	b := start(t, func(o *Options) {
		live := o.Config.LiveDeflect.BaseURL
		o.Config = parsed(t, text)
		o.Config.LiveDeflect.BaseURL = live
	})
	if _, told := b.get("/-/api"); !strings.Contains(told, `"simulated":false`) || !strings.Contains(told, "Connect to Messaging: ") || strings.Contains(told, "LiveDeflect: ") {
		t.Errorf("/-/api: %s", told)
	}
	b.end()
}

// The rate is that of the fleet: what one daemon asks, the other has less of. While Redis is
// away each has the whole.
func TestRateOfTheFleet(t *testing.T) {
	redis, api := miniredis.RunT(t), newC2M(t)
	clock := time.Now()
	redis.SetTime(clock)
	text := strings.NewReplacer("live_deadline: 1m", "live_deadline: 1m, rate: 2",
		"profiles:", `redis: {url: "redis://`+redis.Addr()+`/0", key_file: "`+keyFile(t)+`", timeout: 1s}`+"\nprofiles:").Replace(c2mText(api.URL()))
	one, other := speaking(t, text), speaking(t, text)
	ask := func(b *bench, ani string) string {
		c := from(ani)
		c.Script, c.Prompts = nil, map[string]time.Duration{"offer.wav": time.Millisecond}
		return came(b.one(c))
	}
	if diff := cmp.Diff([]string{"no_input/no_key", "no_input/no_key", "ineligible/rate_limited"},
		[]string{ask(one, "+14043438641"), ask(other, "+14043438642"), ask(one, "+14043438643")}); diff != "" {
		t.Errorf("in one second (-want +got):\n%s", diff)
	}
	redis.SetTime(clock.Add(2 * time.Second))
	if got := ask(other, "+14043438644"); got != "no_input/no_key" {
		t.Errorf("in the next: %s", got)
	}
	one.end()
	other.end()
}

// Who is on shift is asked beside the calls, and counted.
func TestAgentsOnShift(t *testing.T) {
	api := newC2M(t)
	text := strings.Replace(c2mText(api.URL()), "skill: sales", "skill: sales, agents: on_shift, agents_unknown: refuse, skill_id: \"77\"", 1)
	b := speaking(t, text)
	api.SetShift("77", true)
	if got, want := came(b.one(from(caller))), reason(deflect.Ineligible, deflect.ReasonShiftUnknown); got != want {
		t.Errorf("nobody knows yet: %s, want %s", got, want)
	}
	for range 2000 {
		if _, text := b.get("/metrics"); strings.Contains(text, `deflect_requests_total{call="shift_status",result="ok"} 1`) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if got, want := came(b.one(from("+14043438647"))), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("on shift: %s, want %s", got, want)
	}
	b.end()
}

// The page tells both APIs apart: one that fails is no reason to say that nobody gets a text.
func TestStatusOfBothAPIs(t *testing.T) {
	f := busyFacts(t)
	both := parsed(t, bothText("http://127.0.0.1:1", "c2m"))
	policies, err := both.Policies()
	if err != nil {
		t.Fatal(err)
	}
	f.setting = newSetting(both, policies, 500)
	f.gauges[what{name: "deflect_breaker_state", label: "open"}] = 1
	f.breakers = map[string]string{"livedeflect": "closed", "c2m": "open"}
	f.grew(59, what{name: "deflect_requests_total", outcome: "eligibility", label: "ok"}, 70)
	asked := byCall("deflect_request_duration_seconds", "eligibility")
	f.grew(59, what{name: asked, bound: .1}, 70)
	f.grew(59, what{name: asked, label: "count"}, 70)
	v := f.view(true)
	if v.Verdict.Head != "Callers get texts, and something needs a look." || v.Verdict.Notes[0].Text != "Callers of other are not offered a text, but for one who tries: Connect to Messaging fails." {
		t.Errorf("verdict %+v", v.Verdict)
	}
	got := map[string]string{}
	for _, s := range v.Sections {
		if s.ID == "api" {
			for _, l := range s.Lines {
				got[l.Name] = l.Value
			}
		}
	}
	for name, want := range map[string]string{
		"texts go by": "LiveDeflect and Connect to Messaging", "breaker of LiveDeflect": "closed", "breaker of Connect to Messaging": "open", "eligibility, 95 of 100": "95 ms",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	f.breakers["livedeflect"] = "open"
	f.gauges[what{name: "deflect_breaker_state", label: "closed"}] = 0
	if v := f.verdict(); v.Title != "NO TEXTS" {
		t.Errorf("with both open: %+v", v)
	}
	// One by which nobody is texted does not tell of callers.
	f.breakers["livedeflect"] = "closed"
	f.gauges[what{name: "deflect_breaker_state", label: "closed"}] = 1
	f.profiles = slices.Clone(f.profiles)
	for i := range f.profiles {
		f.profiles[i].off = f.profiles[i].api == "livedeflect"
	}
	if v := f.verdict(); v.Title != "NO TEXTS" {
		t.Errorf("with the one open that is used: %+v", v)
	}
	delete(f.breakers, "c2m") // as where no profile has it
	if state := f.breakerOf("c2m"); state != "closed" {
		t.Errorf("the breaker of an API that is not used is %q", state)
	}
}

// A trace shows both requests.
func TestTraceOfBothRequests(t *testing.T) {
	api := newC2M(t)
	b := speaking(t, strings.Replace(c2mText(api.URL()), "skill: sales", "skill: sales, trace: true", 1))
	call := from(caller)
	call.UUID = "3e0068c6-dcda-4c96-a87d-305d62b539f6"
	b.one(call)
	waitFor(t, func() bool {
		all := b.daemon.traces.list(nil, false)
		return len(all.Calls) == 1 && all.Calls[0].Ended != nil
	})
	_, all := traceOf(t, b, `{"call_id": "3e0068c6-dcda-4c96-a87d-305d62b539f6"}`)
	text := text(all)
	for _, want := range []string{"eligibility: whether a text can be offered to", "can be offered ok", "request to text ***46", "request sent ok, status 200", "text sent ok, call "} {
		if !strings.Contains(text, want) {
			t.Errorf("the trace does not say %q:\n%s", want, text)
		}
	}
	b.end()
}
