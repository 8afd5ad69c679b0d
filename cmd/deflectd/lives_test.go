//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// lives is a deflectd that is killed and started again with its journal, on the same
// ports, and what is around it.
type lives struct {
	t        *testing.T
	api      *watchedAPI
	config   string
	dir      string // of the journal
	outbound string
	web      string
	env      []string
	wrap     []string // a command that runs deflectd

	cmd   *exec.Cmd
	log   *lockedBuffer
	logs  []*lockedBuffer // of the lives before
	ended chan struct{}   // closed when the process has ended

	hears  func(file string) // is told what a caller begins to hear; may be nil
	silent func(id int) bool // whether a caller presses no key; may be nil

	mu    *sync.Mutex
	calls map[string]*placed // by external id
}

// placed is a call that was made.
type placed struct {
	number  string
	dialed  string              // when it was made first
	vars    []map[string]string // what the dialplan was told, each time that it asked
	pressed bool                // the key that asks for a text, at any time
}

// newLives settles for good what is as old as settle; nothing may reach the API later.
func newLives(t *testing.T, api *watchedAPI, url string, settle time.Duration) *lives {
	t.Helper()
	l := &lives{t: t, api: api, mu: &sync.Mutex{}, calls: map[string]*placed{}}
	var ports [2]string
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // both first, or they could be the same
		ports[i] = ln.Addr().String()
	}
	l.outbound, l.web = ports[0], ports[1]
	home := t.TempDir()
	l.config, l.dir = filepath.Join(home, "deflectd.yaml"), filepath.Join(home, "state")
	text := fmt.Sprintf(`
%s
breaker: {failures: 1000000}
settle: {after: 1s, limit: %s}
freeswitch: {outbound: {listen: %q}}
http: {listen: %q}
state: {dir: state}
profiles:
  - {name: hourly, skill: sales, cooldown: 1h, later: {failed: 1h}, prompts: {offer: offer.wav, wait: ""}}
  - {name: always, skill: sales, cooldown: 0s, later: {failed: 1h}, prompts: {offer: offer.wav, wait: ""}, dialed: ["+18005550101"]}
`, api.section(url), settle, l.outbound, l.web)
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l.cmd != nil {
			l.cmd.Process.Kill()
			<-l.ended
		}
	})
	return l
}

// command is a deflectd that does not run yet.
func (l *lives) command() *exec.Cmd {
	cmd := command(l.t, l.config)
	cmd.Env = append(cmd.Env, l.env...)
	if len(l.wrap) > 0 {
		cmd.Path, cmd.Args = l.wrap[0], append(slices.Clone(l.wrap), cmd.Args...)
	}
	return cmd
}

// start begins a life, and waits until calls are taken.
func (l *lives) start() {
	l.t.Helper()
	if l.log != nil {
		l.logs = append(l.logs, l.log)
	}
	l.log, l.ended = &lockedBuffer{}, make(chan struct{})
	cmd, ended := l.command(), l.ended
	cmd.Stderr = l.log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.cmd = cmd
	go func() { cmd.Wait(); close(ended) }()
	up := "/readyz"
	if l.wrap != nil {
		up = "/healthz" // it may start with less than it needs
	}
	l.until("it is up", func() bool {
		select {
		case <-ended:
			l.t.Fatalf("deflectd ended with %v:\n%s", cmd.ProcessState, l.log)
		default:
		}
		status, _ := l.get(up)
		return status == http.StatusOK
	})
}

// kill ends a life in the hardest way, and returns what was open then.
func (l *lives) kill() map[string]moment {
	l.t.Helper()
	seen := l.api.look()
	l.cmd.Process.Kill()
	<-l.ended
	l.noTells()
	open := map[string]moment{}
	for id, r := range seen {
		if r.asking > 0 {
			open[id] = moment{at: whileAsked}
		}
	}
	for _, e := range l.journal().texts {
		if m, asking := open[e.ExternalCallID]; asking && e.State == deflect.Waiting {
			m.waited = true
			open[e.ExternalCallID] = m
		}
		if e.State != deflect.Sending {
			continue
		}
		r := seen[e.ExternalCallID]
		m := moment{waited: r.tries > 1 && r.last.Sub(r.first) > 3*time.Second}
		switch {
		case r.tries == 0:
			m.at = beforeRequest
		case r.out > 0:
			m.at = whileOut
		default:
			m.at = beforeRecorded
		}
		open[e.ExternalCallID] = m
	}
	return open
}

// moment is where a text was when deflectd was killed.
type moment struct {
	at     string
	waited bool // it was one that had waited
}

const (
	whileAsked     = "while it is asked who is eligible"
	beforeRequest  = "before the request"
	whileOut       = "while it is out"
	beforeRecorded = "before the answer is recorded"
)

// stop ends the last life in order.
func (l *lives) stop() {
	l.t.Helper()
	l.cmd.Process.Signal(os.Interrupt)
	select {
	case <-l.ended:
	case <-time.After(time.Minute):
		l.t.Fatalf("it does not end:\n%s", l.log)
	}
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		l.t.Errorf("exit code %d:\n%s", code, l.log)
	}
	l.noTells()
}

func (l *lives) noTells() {
	l.t.Helper()
	text := l.log.String()
	if tell := tells.FindString(text); tell != "" {
		l.t.Errorf("stderr has %q:\n%s", tell, text)
	}
}

// tells finds what no log may have: more of a caller's number than two digits, too, which a
// fraction of a second is not. Tokens begin like that.
var tells = regexp.MustCompile(`opensesame|eyJhbGci|[^.0-9]1?404343[0-9*]{4}|DATA RACE|panic`)

func (l *lives) get(path string) (status int, body string) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.web + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data)
}

// until waits for something that has to come.
func (l *lives) until(what string, is func() bool) {
	l.t.Helper()
	// A text that waits is tried three times in half a minute, and then two minutes later.
	for end := time.Now().Add(3 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("it never comes that %s:\n%s", what, l.log)
		}
	}
}

// untilSettled waits until no text waits or is in doubt. A report that comes late proves only
// then that there is none: what was not sent may stay in doubt.
func (l *lives) untilSettled() {
	l.t.Helper()
	l.until("no text waits or is in doubt", func() bool {
		time.Sleep(50 * time.Millisecond)
		status, body := l.get("/state")
		var listing struct{ Texts []state.Text }
		if err := json.Unmarshal([]byte(body), &listing); status != http.StatusOK || err != nil {
			l.t.Fatalf("/state: %d %s, %v", status, body, err)
		}
		sent := l.api.sent()
		return !slices.ContainsFunc(listing.Texts, func(t state.Text) bool {
			return l.api.c2m == nil || t.State != string(deflect.Doubted) || sent[t.ExternalID] != ""
		})
	})
}

// Numbers to dial: of the profile with a cooldown, and of that without.
const hourly, always = "+18005550100", "+18005550101"

// call lets somebody call, and says what the dialplan is told.
func (l *lives) call(id int, number, dialed string) map[string]string {
	return l.callAt(l.outbound, id, number, dialed).Vars
}

// callAt is call, of the first of these hosts that listens.
func (l *lives) callAt(hosts string, id int, number, dialed string) freeswitchtest.Result {
	uuid := callID(id)
	script := []freeswitchtest.Action{freeswitchtest.Press("1")}
	if l.silent != nil && l.silent(id) {
		script = nil
	}
	r, err := freeswitchtest.Call{
		UUID: uuid, ANI: number, DNIS: dialed, SocketResume: true, Answered: true,
		Vars: map[string]string{"deflect_customer_id": uuid, "deflect_customer_id_descriptor": "call"},
		Length: func(file, _ string) time.Duration {
			if l.hears != nil {
				l.hears(file)
			}
			return 40 * time.Millisecond
		},
		Script: script,
	}.Dial(context.Background(), hosts)
	if err != nil || r.Lost || !r.Continued || len(r.Violations) > 0 {
		l.t.Errorf("a call did not survive: %v, lost %v, continued %v, %v\n%v", err, r.Lost, r.Continued, r.Violations, r.Timeline)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[uuid] == nil {
		l.calls[uuid] = &placed{number: number, dialed: dialed}
	}
	c := l.calls[uuid]
	c.vars = append(c.vars, r.Vars)
	c.pressed = c.pressed || slices.ContainsFunc(r.Moments, func(m freeswitchtest.Moment) bool {
		return m.Kind == freeswitchtest.KeyPressed && m.Name == "1"
	})
	return r
}

func callID(i int) string { return fmt.Sprintf("%08x-aaaa-4aaa-8aaa-aaaaaaaaaaaa", i) }

func caller(i int) string { return fmt.Sprintf("+1404343%04d", i) }

// contents is what a journal has that nobody has open.
type contents struct {
	texts     []deflect.Entry // that have not ended
	find      func(id string) deflect.Entry
	cooldowns int
}

func (l *lives) journal() contents {
	l.t.Helper()
	l.mu.Lock()
	ids := slices.Collect(maps.Keys(l.calls))
	l.mu.Unlock()
	j, err := journal.OpenReadOnly(l.dir, journal.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer j.Close()
	all, err := j.List(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	ended := map[string]deflect.Entry{}
	for _, text := range l.api.texts() {
		ids = append(ids, text.call)
	}
	for _, id := range ids {
		if ended[id], err = j.Find(l.t.Context(), id); err != nil {
			l.t.Fatal(err)
		}
	}
	return contents{all.Texts, func(id string) deflect.Entry { return ended[id] }, len(all.Cooldowns)}
}

// never is what must be true at every time: no call and no caller is texted twice, nobody is
// texted of whom the journal does not know, and nothing is asked for that nobody may ask for.
func (l *lives) never() { l.t.Helper(); l.judge(l.journal()) }

// judge is never, with what journals have.
func (l *lives) judge(is contents) {
	l.t.Helper()
	calls, callers := map[string]int{}, map[string]int{}
	for _, text := range l.api.texts() {
		calls[text.call]++
		if text.dialed == hourly {
			callers[text.caller]++
		}
	}
	for id, n := range calls {
		if n > 1 {
			l.t.Errorf("call %s was texted %d times", id, n)
		}
	}
	for number, n := range callers {
		if n > 1 {
			l.t.Errorf("caller %s was texted %d times within the cooldown", number, n)
		}
	}
	for id := range calls {
		if is.find(id).State == "" {
			l.t.Errorf("call %s was texted, and the journal knows nothing of it", id)
		}
	}
	if l.api.c2m != nil {
		for _, v := range l.api.c2m.Violations() {
			l.t.Errorf("the API was asked for what nobody may ask for: %+v", v)
		}
	}
}

// settled is never, and what must be true when all has come to its end: the journal says
// what the API knows, and so was the dialplan told.
func (l *lives) settled() { l.t.Helper(); l.judgeSettled(l.journal()) }

// judgeSettled is settled, with what journals have.
func (l *lives) judgeSettled(is contents) {
	l.t.Helper()
	l.judge(is)
	texted, known := l.api.sent(), map[string]bool{}
	for _, e := range is.texts {
		if l.api.c2m == nil || e.State != deflect.Doubted || texted[e.ExternalCallID] != "" {
			l.t.Errorf("the text of call %s is still %s", e.ExternalCallID, e.State)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.api.askedFor() {
		if c := l.calls[id]; c == nil || !c.pressed {
			l.t.Errorf("call %s pressed no key, and a text was asked for", id)
		}
	}
	for id, c := range l.calls {
		if is.find(id).State != "" && c.dialed == hourly {
			known[c.number] = true
		}
	}
	for id, c := range l.calls {
		e := is.find(id)
		if (texted[id] != "") != (e.Outcome == deflect.Sent) {
			l.t.Errorf("call %s: texted %q, and the journal says %q (%s)", id, texted[id], e.Outcome, e.Reason)
		}
		if l.api.c2m != nil && texted[id] != "" && texted[id] != e.CallID {
			l.t.Errorf("call %s was texted as %s, and the journal says %q", id, texted[id], e.CallID)
		}
		for _, vars := range c.vars {
			switch outcome := vars["deflect_outcome"]; {
			case outcome == "sent" && texted[id] == "":
				l.t.Errorf("call %s was told that a text was sent, and none was", id)
			case (outcome == "failed" || outcome == "ineligible") && len(c.vars) == 1 && texted[id] != "":
				l.t.Errorf("call %s was told that no text was sent (%s), and one was", id, vars["deflect_reason"])
			case outcome == "deferred" && e.State == "" && !known[c.number]:
				l.t.Errorf("call %s was promised a text, and it is forgotten", id)
				for other, o := range l.calls {
					if o.number == c.number {
						e := is.find(other)
						l.t.Logf("call %s of the same caller to %s is told %v, and the journal says %q (%s)", other, o.dialed, o.vars, e.Outcome, e.Reason)
					}
				}
			}
		}
	}
}

// lockedBuffer keeps the beginning of a log that one process writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
