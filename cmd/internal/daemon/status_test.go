package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func TestStatusVerdict(t *testing.T) {
	redis := "redis: nobody is texted whose profile has a cooldown, a budget or do_not_text_redis, or who waits in a queue: it does not answer"
	state := func(name string) func(*facts) {
		return func(f *facts) {
			f.gauges[what{name: "deflect_breaker_state", label: "closed"}] = 0
			f.gauges[what{name: "deflect_breaker_state", label: name}] = 1
		}
	}
	closed := func(t *testing.T, later time.Duration) statusProfile {
		rules := deflect.Rules{Hours: deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon-fri": {"09:00-17:00"}}}}
		rules.Later.Closed = later
		p, err := deflect.NewPolicy("night", rules)
		if err != nil {
			t.Fatal(err)
		}
		return statusProfile{name: "night", policy: p}
	}
	trouble := func(sent, failed int) func(*facts) {
		return func(f *facts) {
			f.ended(59, "sales", deflect.Sent, deflect.ReasonOK, sent)
			f.ended(59, "sales", deflect.Failed, deflect.ReasonUnreachable, failed)
		}
	}
	tests := []struct {
		name   string
		change func(*facts)
		mark   statusMark
		head   string
		why    string // part of it
	}{
		{"nothing yet", func(*facts) {}, good, "Callers can get texts.", "No call has ended in the last hour."},
		{"just begun", func(f *facts) { f.start = f.at.Add(-59 * time.Minute) }, good, "Callers can get texts.", "No call has ended since the start at 02:13."},
		{"calls, none asked", func(f *facts) { f.ended(58, "sales", deflect.Declined, deflect.ReasonDeclineKey, 1) }, good, "Callers can get texts.", "1 call ended, and nobody asked"},
		{"calls before", func(f *facts) { f.ended(3, "sales", deflect.Sent, deflect.ReasonOK, 1200) }, good, "Callers can get texts.", "1,200 in the last hour"},
		{"sent", trouble(30, 0), good, "Callers get texts.", "30 texts were sent"},
		{"two of many failed", trouble(1, 2), good, "Callers get texts.", "1 text was sent, 2 failed"},
		{"a share fails", trouble(27, 3), warn, "Some texts do not go out.", "Mostly unreachable: the API cannot be reached"},
		{"fewer fail", trouble(28, 3), good, "Callers get texts.", "28 texts were sent, 3 failed"},
		{"all fail", trouble(0, 3), bad, "No texts: none of the last ones went out.", "0 texts were sent, 3 failed"},
		{"breaker open", state("open"), bad, "No texts: the API fails, and callers are not offered one.", "open for 30 s at a time"},
		{"breaker half open", state("half_open"), warn, "One caller at a time: the API failed, and is tried again.", ""},
		{"stopping", func(f *facts) { f.stopping, f.calls = true, 1 }, bad, "No new texts: this deflectd is stopping.", "1 call has to end"},
		{"full", func(f *facts) { f.full, f.calls = true, 500 }, warn, "Some callers get no offer: this deflectd is full.", "500 calls are in progress"},
		{"journal", func(f *facts) { f.unwritten = errors.New("no space left") }, bad, "No texts: the journal cannot be written.", "no space left"},
		{"journal is optional", func(f *facts) { f.unwritten, f.optional = errors.New("no space left"), true }, warn, "Callers can get texts, and something needs a look.", ""},
		{"a switch is away", func(f *facts) { f.away = []string{"fs2"} }, warn, "Callers can get texts, and something needs a look.", ""},
		{"Redis away, no profile needs it", func(f *facts) { f.redis = redis }, warn, "Callers can get texts, and something needs a look.", ""},
		{"Redis away, one needs it", func(f *facts) { f.redis, f.profiles[0].redis = redis, true }, warn, "Callers get texts, but not of every profile: Redis is away.", "nobody is texted whose profile"},
		{"Redis away, all need it", func(f *facts) { f.redis, f.profiles[0].redis, f.profiles[1].redis = redis, true, true }, bad, "No texts: Redis is away, and every profile needs it.", "it does not answer"},
		{"closed", func(f *facts) { f.profiles = []statusProfile{closed(t, 0)} }, idle, "No texts: it is closed.", "that is no fault"},
		{"closed, later", func(f *facts) { f.profiles = []statusProfile{closed(t, 16*time.Hour)} }, idle, "It is closed: callers are offered a text for later.", "0 texts wait for"},
		{"closed, later, but not so late", func(f *facts) { f.profiles = []statusProfile{closed(t, 5*time.Hour)} }, idle, "No texts: it is closed.", "that is no fault"},
		{"closed, later for one", func(f *facts) { f.profiles = []statusProfile{closed(t, 0), closed(t, 16*time.Hour)} }, idle, "It is closed: some callers are offered a text for later.", "0 texts wait for"},
		{"closed, and Redis away", func(f *facts) {
			f.redis, f.profiles = redis, []statusProfile{closed(t, 0)}
			f.profiles[0].redis = true
		}, idle, "No texts: it is closed.", "that is no fault"},
		{"Redis away, the other one is closed", func(f *facts) {
			f.redis, f.profiles[0].redis, f.profiles[1] = redis, true, closed(t, 0)
		}, bad, "No texts: Redis is away, and the other profiles offer none.", "it does not answer"},
		{"switched off", func(f *facts) { f.profiles[0].off, f.profiles[1].off = true, true }, idle, "No texts: they are switched off.", "percent: 0"},
		{"the others are switched off", func(f *facts) { f.profiles[0], f.profiles[1].off = closed(t, 0), true }, idle, "No texts: it is closed.", ""},
		{"one failed, nobody else asked", trouble(0, 1), warn, "Callers can get texts, but none of the last ones is known to have gone out.", "0 texts were sent, 1 failed. Mostly unreachable"},
		{"few callers, and none got one", func(f *facts) {
			f.ended(2, "sales", deflect.Failed, deflect.ReasonUnauthorized, 2)
			f.ended(40, "sales", deflect.Failed, deflect.ReasonUnauthorized, 1)
		}, bad, "No texts: few callers asked, and none of their texts is known to have gone out.", "In the last hour 0 texts were sent, 3 failed. Mostly unauthorized"},
		{"one waits for the hours", func(f *facts) { f.ended(59, "sales", deflect.Deferred, deflect.ReasonOutsideHours, 1) }, good, "Callers can get texts.", "0 texts were sent, 1 to be sent later."},
		{"all wait for the API", func(f *facts) { f.ended(59, "sales", deflect.Deferred, deflect.ReasonRateLimited, 3) }, warn, "Texts are promised, and wait: none of the last ones went out.", "3 to be sent later. Mostly rate_limited"},
		{"none was offered one", func(f *facts) {
			f.ended(59, "", deflect.Ineligible, deflect.ReasonNoProfile, 9)
			f.ended(58, "sales", deflect.Ineligible, deflect.ReasonNumberHidden, 2)
		}, warn, "None of the last callers could be offered a text.", "11 calls ended, and none of them got an offer. Mostly no_profile: no profile"},
		{"some were offered one", func(f *facts) {
			f.ended(59, "", deflect.Ineligible, deflect.ReasonNoProfile, 9)
			f.ended(59, "sales", deflect.Declined, deflect.ReasonDeclineKey, 2)
		}, good, "Callers can get texts.", "11 calls ended, and nobody asked"},
		{"it has just opened", func(f *facts) { f.ended(56, "sales", deflect.Ineligible, deflect.ReasonOutsideHours, 50) }, good, "Callers can get texts.", "50 calls ended"},
		{"all of one profile fail", func(f *facts) {
			f.ended(59, "sales", deflect.Sent, deflect.ReasonOK, 100)
			f.ended(59, "service", deflect.Failed, deflect.ReasonRejected, 3)
		}, warn, "Callers get texts, and something needs a look.", "100 texts were sent, 3 failed."},
		{"closed for one", func(f *facts) { f.profiles = append(f.profiles, closed(t, 0)) }, good, "Callers can get texts.", ""},
	}
	for _, tt := range tests {
		f := quietFacts(t)
		tt.change(f)
		v := f.verdict()
		if v.Mark != tt.mark || v.Head != tt.head || !strings.Contains(v.Why, tt.why) {
			t.Errorf("%s: %s %q %q, want %s %q ...%q", tt.name, v.Mark, v.Head, v.Why, tt.mark, tt.head, tt.why)
		}
		if v.Title == "" || strings.Contains(v.Why, "%!") || tt.mark == warn && strings.HasSuffix(v.Head, "a look.") && len(v.Notes) == 0 {
			t.Errorf("%s: %+v", tt.name, v)
		}
	}
}

// Each thing that is not as it should be is said, with what to do.
func TestStatusNotes(t *testing.T) {
	f := brokenFacts(t)
	f.gauges[what{name: "deflectd_do_not_text_whole"}] = 0
	for _, name := range []string{
		"deflect_freeswitch_prompt_errors_total", "deflect_freeswitch_protocol_errors_total", "deflect_cooldowns_evicted_total", "deflect_freeswitch_full_total",
	} {
		f.grew(59, what{name: name}, 1)
	}
	f.grew(59, what{name: "deflect_freeswitch_rejected_connections_total", label: "not_allowed"}, 1)
	f.grew(59, what{name: "deflect_settled_total", label: "unknown"}, 1)
	f.ended(59, "service", deflect.Sent, deflect.ReasonOK, 1)
	f.redis = "redis: nobody is texted"
	notes := f.notes(false)
	if len(notes) != 13 {
		t.Errorf("%d notes: %+v", len(notes), notes)
	}
	for i, n := range notes {
		if n.Text == "" || n.Do == "" || i > 0 && weight(n.Mark) < weight(notes[i-1].Mark) {
			t.Errorf("note %d: %+v", i, n)
		}
	}
}

// Of each profile the table says what its callers are offered now.
func TestStatusProfiles(t *testing.T) {
	f := quietFacts(t)
	f.redis = "redis: it does not answer"
	want := map[string]string{}
	f.profiles = nil
	for _, p := range []struct {
		closed, redis, off bool
		later              time.Duration
		want               string
	}{
		{want: "open"},
		{redis: true, want: "no offer: Redis is away"},
		{off: true, redis: true, want: "no offer (percent: 0)"},
		{closed: true, redis: true, want: "closed: no offer"},
		{closed: true, later: time.Hour, want: "closed: no offer"}, // it is six hours away
		{closed: true, later: 16 * time.Hour, want: "closed: a text for later is offered"},
		{closed: true, later: 16 * time.Hour, redis: true, want: "no offer: Redis is away"},
	} {
		rules := deflect.Rules{Later: deflect.Later{Closed: p.later}}
		if p.closed {
			rules.Hours = deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon-fri": {"09:00-17:00"}}}
		}
		name := fmt.Sprintf("p%d", len(want))
		policy, err := deflect.NewPolicy(name, rules)
		if err != nil {
			t.Fatal(err)
		}
		f.profiles = append(f.profiles, statusProfile{name, "livedeflect", policy, p.redis, p.off})
		want[name] = p.want
	}
	got := map[string]string{}
	for _, row := range f.view(false).Profiles {
		got[row.Name] = row.Hours
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
}

func TestStatusHasWordsForAll(t *testing.T) {
	if len(outcomeWords) != len(deflect.Outcomes()) {
		t.Errorf("%d outcomes, want %d", len(outcomeWords), len(deflect.Outcomes()))
	}
	reasons := map[deflect.Reason]bool{}
	for _, o := range deflect.Outcomes() {
		for _, r := range deflect.Reasons(o) {
			reasons[r] = true
			if reasonWords[r] == "" {
				t.Errorf("the page has no words for %s", r)
			}
		}
	}
	if len(reasons) != len(reasonWords) {
		t.Errorf("words for %d reasons, want %d", len(reasonWords), len(reasons))
	}
}

// What is counted in the last hour exists in a daemon, with the label that is looked at.
func TestStatusCountsWhatExists(t *testing.T) {
	_, families := gathered(t)
	labels := map[string]map[string]bool{}
	for _, f := range families {
		labels[f.GetName()] = map[string]bool{"": true, "le": f.GetMetric()[0].GetHistogram() != nil}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[f.GetName()][l.GetName()] = true
		}
	}
	for name, label := range counted {
		if !labels[name][label] {
			t.Errorf("there is no %s with the label %q", name, label)
		}
	}
	for k := range quietFacts(t).gauges {
		if labels[k.name] == nil {
			t.Errorf("there is no %s", k.name)
		}
	}
}

// A call shows on the page within a second, over HTTP and as a stream, until the last call
// has ended.
func TestStatusPageOfADaemon(t *testing.T) {
	b := start(t, nil)
	resp, body := b.answer("/")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "<h1>Callers can get texts.</h1>") {
		t.Fatalf("/ = %d\n%s", resp.StatusCode, body)
	}
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "script-src 'sha256-"} {
		if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
			t.Errorf("Content-Security-Policy %q, want %s", csp, want)
		}
	}
	for _, no := range []string{`style="`, "onclick", "src=", "http-equiv"} {
		if strings.Contains(body, no) {
			t.Errorf("the page has %s", no)
		}
	}

	stream, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}).Get("http://" + b.daemon.HTTPAddr() + "/status/events")
	if err != nil || stream.StatusCode != http.StatusOK || stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream: %v %v", stream, err)
	}
	defer stream.Body.Close()
	events := bufio.NewScanner(stream.Body)
	events.Buffer(nil, 1<<20)
	t.Cleanup(b.daemon.Cut) // also where it fails, with a call in progress
	var heard []string
	until := func(text string) {
		t.Helper()
		heard = nil
		for events.Scan() {
			heard = append(heard, events.Text())
			if strings.Contains(events.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended without %q: %v\n%s", text, events.Err(), strings.Join(heard, "\n"))
	}
	until("event: version")
	until("Callers can get texts.")
	results, _ := b.calls(3, pressOne)
	if diff := cmp.Diff(map[string]int{reason(deflect.Sent, deflect.ReasonOK): 3}, outcomes(t, results, 3)); diff != "" {
		t.Fatalf("outcomes (-want +got):\n%s", diff)
	}
	until("<h1>Callers get texts.</h1>")
	until("In the last 5 minutes 3 texts were sent.")
	results, live := b.calls(1, listening)
	<-live
	until("<b>1</b> <span>of ")
	b.stop()
	until("this deflectd is stopping")
	b.daemon.Cut()
	outcomes(t, results, 1)
	for events.Scan() { // to its end
	}
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}

func TestStatusMethodsAndPaths(t *testing.T) {
	b := serveStatus(t, 1, time.Minute)
	b.show(quietFacts(t))
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/", http.StatusMethodNotAllowed}, {"HEAD", "/", http.StatusOK}, {"HEAD", "/status/events", http.StatusOK},
		{"GET", "/status/", http.StatusNotFound}, {"GET", "/favicon.ico", http.StatusNotFound}, {"DELETE", "/status/events", http.StatusMethodNotAllowed},
	} {
		req, err := http.NewRequest(tt.method, b.url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.path, resp.StatusCode, tt.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A stream outlives the times in which other requests and answers have to end.
func TestStatusStreamHasItsOwnTimes(t *testing.T) {
	b := serveStatus(t, 1, 300*time.Millisecond)
	f := quietFacts(t)
	b.show(f)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(b.url + "/status/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begun, lines := time.Now(), bufio.NewScanner(resp.Body)
	for seen := 0; time.Since(begun) < 4*b.srv.ReadTimeout || seen < 2; {
		if !lines.Scan() {
			t.Fatalf("the stream ended after %s: %v", time.Since(begun), lines.Err())
		}
		if strings.HasPrefix(lines.Text(), "data: <time>") {
			seen++
			again := *f
			again.at = again.at.Add(time.Duration(seen) * time.Second)
			b.show(&again)
		}
	}
}

// As many watch as may, one look serves all of them, and a place that was left is free.
func TestStatusViewersAreBounded(t *testing.T) {
	b := serveStatus(t, 2, time.Minute)
	b.show(quietFacts(t))
	watch := func() *http.Response {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(b.url + "/status/events")
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first, second, third := watch(), watch(), watch()
	defer second.Body.Close()
	third.Body.Close()
	if first.StatusCode != http.StatusOK || second.StatusCode != http.StatusOK || third.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d %d %d", first.StatusCode, second.StatusCode, third.StatusCode)
	}
	first.Body.Close()
	wait(t, "a place is free", func() bool {
		resp := watch()
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	b.page.close()
	if _, err := io.Copy(io.Discard, second.Body); err != nil {
		t.Errorf("the stream did not end well: %v", err)
	}
}

// Nothing in a part can be an event of its own.
func TestStatusPartIsOneEvent(t *testing.T) {
	var b bytes.Buffer
	part{"verdict", "one\r\ntwo\rid: config\r\revent: part\rdata: three\n\nfour"}.event(&b)
	want := "event: part\nid: verdict\ndata: one \ndata: two id: config  event: part data: three\ndata: \ndata: four\n\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
}

// The numbers of the chart are of minutes that are over, and are not sent anew before the next
// one is, whatever else happens.
func TestStatusMinutes(t *testing.T) {
	f := quietFacts(t)
	f.ended(58, "sales", deflect.Sent, deflect.ReasonOK, 1234)
	f.ended(57, "sales", deflect.Sent, deflect.ReasonOK, 2)
	f.ended(57, "service", deflect.Sent, deflect.ReasonOK, 3)
	parts := func() map[string]string {
		all := map[string]string{}
		for _, p := range f.view(true).parts() {
			all[p.id] = p.html
		}
		return all
	}
	before := parts()
	others := strings.Repeat(`<td class="n">·</td>`, len(outcomeWords)-1)
	for _, want := range []string{
		"<tbody>\n" + `<tr><th scope="row">03:11</th><td class="n">1,234</td>` + others + "</tr>\n",
		"</tr>\n" + `<tr><th scope="row">03:10</th><td class="n">5</td>` + others + "</tr>\n</tbody>",
	} {
		if !strings.Contains(before["minutes"], want) {
			t.Errorf("not in it: %s\n%s", want, before["minutes"])
		}
	}
	f.ended(59, "sales", deflect.Sent, deflect.ReasonOK, 7)
	f.at = f.at.Add(time.Second)
	after := parts()
	if before["chart"] == after["chart"] || before["at"] == after["at"] {
		t.Error("nothing happened")
	}
	if diff := cmp.Diff(before["minutes"], after["minutes"]); diff != "" {
		t.Errorf("a second later (-before +after):\n%s", diff)
	}
}

func TestStatusOff(t *testing.T) {
	b := start(t, func(o *Options) { o.Config.NoStatus = true })
	for _, path := range []string{"/", "/status/events"} {
		if status, _ := b.get(path); status != http.StatusNotFound {
			t.Errorf("%s = %d", path, status)
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Who is not on this machine sees numbers of calls, and nothing of the configuration.
func TestStatusIsNotAllForStrangers(t *testing.T) {
	b := serveStatus(t, 4, time.Minute)
	b.show(busyFacts(t))
	local := []string{"/var/lib/deflectd", "127.0.0.1:8021", "127.0.0.1:8084", "live_deadline: 4s"}
	never := []string{"opensesame", "8005550100", "555-0101", "555-0100", "</script><script>", "(800)"}
	tests := []struct {
		name   string
		header map[string]string
		here   bool
	}{
		{"typed in", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, true},
		{"its own", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Referer": "http://127.0.0.1/"}, true},
		{"curl", nil, true},
		{"a link", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, true},
		{"another page", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, false},
		{"another page of this machine", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, false},
		{"a name that was changed to this address", map[string]string{"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, false},
		{"through a proxy", map[string]string{"X-Forwarded-For": "192.0.2.1"}, false},
	}
	for _, tt := range tests {
		for _, path := range []string{"/", "/status/events"} {
			body := b.read(t, path, tt.header)
			for _, part := range local {
				if strings.Contains(body, part) != tt.here {
					t.Errorf("%s, %s: shows %q: %t, want %t", path, tt.name, part, !tt.here, tt.here)
				}
			}
			for _, no := range never {
				if strings.Contains(body, no) && (path != "/" || no != "</script><script>") {
					t.Errorf("%s, %s: shows %q", path, tt.name, no)
				}
			}
			if !strings.Contains(body, "Callers get texts.") || !strings.Contains(body, "number_fixed_line") {
				t.Errorf("%s, %s: does not show what is for everybody", path, tt.name)
			}
		}
	}
	if text := statusSetting(t, 1).effective(); !strings.Contains(text, `"***00"`) || !strings.Contains(text, `Call ***00.`) || !strings.Contains(text, `site_id: "38856538"`) ||
		!regexp.MustCompile(`consumer_key: "\[hidden\]"\n.*\n? *token: "\[hidden\]"`).MatchString(text) {
		t.Errorf("the configuration shown:\n%s", text)
	}
	c, err := config.Parse("x.yaml", []byte("c2m: {account: \"38856538\", client_id: CLIENT, handoff_id: H1}\nprofiles: [{name: all, skill: s}]\n"),
		func(string) string { return "opensesame" })
	if text := shownConfig(c); err != nil || !strings.Contains(text, `client_id: "[hidden]"`) || strings.Contains(text, "CLIENT\n") {
		t.Errorf("with C2M: %v\n%s", err, text)
	}
}

// read returns the beginning of an answer, up to the end of the last part.
func (b *statusBench) read(t *testing.T, path string, header map[string]string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for last := false; lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		last = last || lines.Text() == "id: config"
		if last && lines.Text() == "" {
			break
		}
	}
	return text.String()
}
