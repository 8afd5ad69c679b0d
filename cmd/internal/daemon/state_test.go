package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// kept is a folder with a journal of some callers: of the last one of whom more is known
// under the other spelling of the phone.
func kept(t *testing.T) (dir string, since time.Time) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	since = time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	waits := deflect.Entry{
		State: deflect.Waiting, Outcome: deflect.Deferred, Reason: deflect.ReasonOutsideHours, Policy: "sales",
		Since: since, Next: since.Add(10 * time.Hour), Until: since.Add(11 * time.Hour), Data: []byte("opensesame"),
	}
	ended := deflect.Entry{State: deflect.Ended, Outcome: deflect.Sent, Reason: deflect.ReasonOK, Since: since, Until: since.Add(24 * time.Hour)}
	for id, e := range map[string]deflect.Entry{"waits": waits, "waits-too": waits, "brazil-waits": waits, "ended": ended, "brazil-ended": ended} {
		e.ExternalCallID, e.Customer = id, caller
		switch id {
		case "waits-too":
			e.Customer, e.Since = "+14043438647", since.Add(time.Second)
		case "brazil-waits":
			e.Customer, e.Since = "+5511987654321", since.Add(2*time.Second)
		case "brazil-ended":
			e.Customer = "+551187654321"
		}
		j.Note(e)
	}
	for _, key := range []string{"sales " + caller, "sales +5511987654321"} {
		if ok, err := j.Take(t.Context(), key, "token", 2*time.Hour); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, since
}

// ask asks the HTTP port over the wire, and returns what it answers.
func (b *bench) ask(method, path, body string) (status int, answer map[string]any) {
	b.t.Helper()
	req, err := http.NewRequest(method, "http://"+b.daemon.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(data, &answer) != nil {
		b.t.Fatalf("%s %s: %v, %s", method, path, err, data)
	}
	for _, tell := range append(tells, "4043438647", "11987654321", "1187654321") {
		if strings.Contains(string(data), tell) {
			b.t.Errorf("%s %s shows %q: %s", method, path, tell, data)
		}
	}
	return resp.StatusCode, answer
}

// What is remembered is shown, cancelled, released and forgotten, and the engine follows.
func TestStateIsShownAndChanged(t *testing.T) {
	dir, since := kept(t)
	b := start(t, func(o *Options) { o.Config.StateDir, o.Registry = dir, prometheus.NewRegistry() })
	ids := func(path, body string) string {
		t.Helper()
		method := http.MethodPost
		if path == "/state" {
			method = http.MethodGet
		}
		status, answer := b.ask(method, path, body)
		if status != http.StatusOK {
			t.Fatalf("%s %s: %d %v", path, body, status, answer)
		}
		var all []string
		for _, text := range answer["texts"].([]any) {
			all = append(all, text.(map[string]any)["external_id"].(string))
		}
		return fmt.Sprint(all, len(answer["cooldowns"].([]any)))
	}
	_, answer := b.ask(http.MethodGet, "/state", "")
	want := map[string]any{
		"external_id": "waits", "state": "waiting", "number": "***46", "profile": "sales", "reason": "outside_hours", "tries": 0.,
		"since": since.Format(time.RFC3339), "next": since.Add(10 * time.Hour).Format(time.RFC3339), "until": since.Add(11 * time.Hour).Format(time.RFC3339),
	}
	if diff := cmp.Diff(want, answer["texts"].([]any)[0]); diff != "" {
		t.Errorf("the first text (-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ path, body, want string }{
		{"/state", "", "[waits waits-too brazil-waits] 2"},
		{"/state/about", `{"number": "(404) 343-8646"}`, "[waits] 1"},
		{"/state/about", `{"number": "+55 11 8765-4321"}`, "[brazil-waits] 1"},
		{"/state/about", `{"number": "+14043438640"}`, "[] 0"},
	} {
		if got := ids(tt.path, tt.body); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.path, tt.body, got, tt.want)
		}
	}
	if waiting, cooling := b.gauge("deflect_waiting_texts"), b.gauge("deflect_cooldowns"); waiting != 3 || cooling != 2 {
		t.Errorf("%v texts wait, %v callers are cooling down", waiting, cooling)
	}
	for _, tt := range []struct {
		path, body string
		status     int
		want       map[string]any
	}{
		{"/state/cancel", `{"external_id": "waits-too"}`, 200, map[string]any{"external_id": "waits-too"}},
		{"/state/cancel", `{"external_id": "waits-too"}`, 404, nil},
		{"/state/cancel", `{"external_id": "ended"}`, 404, nil},
		{"/state/release", `{"number": "+14043438646"}`, 200, map[string]any{"number": "***46", "cooldowns": 1.}},
		{"/state/release", `{"number": "+14043438646"}`, 200, map[string]any{"number": "***46", "cooldowns": 0.}},
		{"/state/forget", `{"number": "4043438646"}`, 200, map[string]any{"number": "***46", "waiting": 1., "doubted": 0., "ended": 1., "cooldowns": 0., "traces": 0.}},
		{"/state/forget", `{"number": "+551187654321"}`, 200, map[string]any{"number": "***21", "waiting": 1., "doubted": 0., "ended": 1., "cooldowns": 1., "traces": 0.}},
		{"/state/forget", `{"number": "+551187654321"}`, 200, map[string]any{"number": "***21", "waiting": 0., "doubted": 0., "ended": 0., "cooldowns": 0., "traces": 0.}},
		{"/state/forget", `{"number": "12"}`, 400, nil},
	} {
		status, answer := b.ask(http.MethodPost, tt.path, tt.body)
		if status != tt.status || tt.want != nil && !cmp.Equal(tt.want, answer) || tt.want == nil && answer["error"] == nil {
			t.Errorf("%s %s: %d %v, want %d %v", tt.path, tt.body, status, answer, tt.status, tt.want)
		}
	}
	if got := ids("/state", ""); got != "[] 0" {
		t.Errorf("in the end there is %s", got)
	}
	if waiting, cooling := b.gauge("deflect_waiting_texts"), b.gauge("deflect_cooldowns"); waiting != 0 || cooling != 0 {
		t.Errorf("in the end %v texts wait, %v callers are cooling down", waiting, cooling)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	for _, line := range []string{`"msg":"number forgotten","number":"***46","waiting":1`, `"msg":"waiting text cancelled","call_id":"waits-too"`, `"msg":"cooldowns ended","number":"***46","cooldowns":1`} {
		if !strings.Contains(b.log.text(), line) {
			t.Errorf("the log has no %s", line)
		}
	}
	if n := strings.Count(b.log.text(), `"msg":"cooldowns ended"`); n != 1 {
		t.Errorf("the log says %d times that cooldowns were ended, want once", n)
	}
}

// A number that could not be forgotten to the last byte is said to be there, and can be
// forgotten later; a text that is gone already does not wait any more.
func TestForgetIsDoneByHalves(t *testing.T) {
	dir, _ := kept(t)
	b := start(t, func(o *Options) { o.Config.StateDir, o.Registry = dir, prometheus.NewRegistry() })
	inTheWay := filepath.Join(dir, "journal.db.new", "x") // where the file is written anew
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	const forget = `{"number": "+14043438646"}`
	status, answer := b.ask(http.MethodPost, "/state/forget", forget)
	if status != http.StatusInternalServerError || !strings.Contains(answer["error"].(string), "ask again") {
		t.Errorf("a file that cannot be written: %d %v", status, answer)
	}
	if waiting := b.gauge("deflect_waiting_texts"); waiting != 2 {
		t.Errorf("%v texts wait, want 2", waiting)
	}
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	if status, answer := b.ask(http.MethodPost, "/state/forget", forget); status != http.StatusOK {
		t.Errorf("again: %d %v", status, answer)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Whoever is not on this machine, or did not mean it, neither sees nor changes anything.
func TestStateIsForThisMachine(t *testing.T) {
	dir, _ := kept(t)
	b := start(t, func(o *Options) { o.Config.StateDir = dir })
	const forget, json = `{"number": "+14043438646"}`, "application/json"
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"another machine", "GET", "/state", "", []string{"peer", "10.0.0.7:1234"}, 403},
		{"another machine, to forget", "POST", "/state/forget", forget, []string{"peer", "10.0.0.7:1234", "Content-Type", json}, 403},
		{"a name that leads here now", "GET", "/state", "", []string{"Host", "evil.example:9180"}, 403},
		{"a page in a browser", "POST", "/state/forget", forget, []string{"Origin", "http://evil.example", "Content-Type", json}, 403},
		{"a page that says less", "GET", "/state", "", []string{"Sec-Fetch-Mode", "no-cors"}, 403},
		{"a proxy", "GET", "/state", "", []string{"X-Forwarded-For", "10.0.0.7"}, 403},
		{"a link on a page", "GET", "/state", "", []string{"Referer", "http://evil.example/"}, 403},
		{"a path that is not there, from elsewhere", "GET", "/state/all", "", []string{"peer", "10.0.0.7:1234"}, 403},
		{"a path that is not there", "GET", "/state/all", "", nil, 404},
		{"a form", "POST", "/state/forget", "number=%2B14043438646", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"a form that looks like JSON", "POST", "/state/forget", forget, []string{"Content-Type", "text/plain"}, 415},
		{"no type", "POST", "/state/forget", forget, nil, 415},
		{"two types", "POST", "/state/forget", forget, []string{"Content-Type", "text/plain, application/json"}, 415},
		{"a type with a charset", "POST", "/state/about", forget, []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		{"a link", "GET", "/state/forget?number=%2B14043438646", "", nil, 405},
		{"a list that is posted", "POST", "/state", "", nil, 405},
		{"a number that is too long to read", "POST", "/state/forget", `{"number": "` + strings.Repeat("1", 5000) + `"}`, []string{"Content-Type", json}, 413},
		{"no body", "POST", "/state/forget", "", []string{"Content-Type", json}, 400},
		{"no number", "POST", "/state/forget", `{}`, []string{"Content-Type", json}, 400},
		{"an empty number", "POST", "/state/forget", `{"number": ""}`, []string{"Content-Type", json}, 400},
		{"a number and an id", "POST", "/state/forget", `{"number": "+14043438646", "external_id": "waits"}`, []string{"Content-Type", json}, 400},
		{"a number to cancel", "POST", "/state/cancel", forget, []string{"Content-Type", json}, 400},
		{"what is not known", "POST", "/state/forget", `{"number": "+14043438646", "all": true}`, []string{"Content-Type", json}, 400},
		{"two bodies", "POST", "/state/forget", forget + forget, []string{"Content-Type", json}, 400},
		{"no object", "POST", "/state/forget", `["+14043438646"]`, []string{"Content-Type", json}, 400},
		{"nobody's number", "POST", "/state/forget", `{"number": "anonymous"}`, []string{"Content-Type", json}, 400},
	} {
		req := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
		req.RemoteAddr, req.Host = "127.0.0.1:1234", "127.0.0.1:9180"
		for i := 0; i < len(tt.header); i += 2 {
			switch tt.header[i] {
			case "peer":
				req.RemoteAddr = tt.header[i+1]
			case "Host":
				req.Host = tt.header[i+1]
			default:
				req.Header.Set(tt.header[i], tt.header[i+1])
			}
		}
		w := httptest.NewRecorder()
		b.daemon.http.Handler.ServeHTTP(w, req)
		var answer struct{ Error string }
		if err := jsonOf(w, &answer); err != nil || w.Code != tt.status || (answer.Error == "") != (tt.status == 200) {
			t.Errorf("%s: %d %s, %v, want %d", tt.name, w.Code, w.Body, err, tt.status)
		}
	}
	if _, answer := b.ask(http.MethodGet, "/state", ""); len(answer["texts"].([]any)) != 3 || len(answer["cooldowns"].([]any)) != 2 {
		t.Errorf("somebody has changed the state: %v", answer)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

func jsonOf(w *httptest.ResponseRecorder, to any) error {
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		return fmt.Errorf("an answer of type %q", kind)
	}
	return json.Unmarshal(w.Body.Bytes(), to)
}

func TestStateWithoutAJournal(t *testing.T) {
	b := start(t, nil)
	for _, ask := range [][]string{{"GET", "/state", ""}, {"POST", "/state/release", `{"number": "+14043438646"}`}} {
		if status, answer := b.ask(ask[0], ask[1], ask[2]); status != http.StatusNotFound || !strings.Contains(answer["error"].(string), "state.dir is not set") {
			t.Errorf("%v: %d %v", ask, status, answer)
		}
	}
	if status, answer := b.ask("POST", "/state/forget", `{"number": "+14043438646"}`); status != http.StatusOK || answer["traces"] != 0. {
		t.Errorf("what is in memory is forgotten: %d %v", status, answer)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// A second daemon on a journal is refused, and takes no port; the first one is left alone.
// One that cannot start lets go of the journal.
func TestOneDaemonAJournal(t *testing.T) {
	dir, _ := kept(t)
	b := start(t, func(o *Options) { o.Config.StateDir = dir })
	second := Options{Config: testFile(t)}
	second.Config.StateDir = dir
	_, err := New(second)
	locked, is := errors.AsType[*journal.LockedError](err)
	if !is || locked.PID != os.Getpid() || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), "state.dir") {
		t.Errorf("a second daemon: %v", err)
	}
	if status, _ := b.ask(http.MethodGet, "/state", ""); status != http.StatusOK {
		t.Errorf("the first one: %d", status)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	second.Config.HTTPListen = taken.Addr().String()
	if _, err := New(second); err == nil || !strings.Contains(err.Error(), "listen for HTTP") {
		t.Errorf("on a port that is taken: %v", err)
	}
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatalf("the journal is held on to: %v", err)
	}
	j.Close()
}

// Texts whose profile is gone are told of while it can still be put back: at the start and
// after a reload.
func TestTextsOfAProfileThatIsGone(t *testing.T) {
	dir, _ := kept(t)
	file := &changing{}
	state := "state: {dir: " + dir + "}\nlog:"
	file.set("log:", state)
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		first, err := file.load()
		if err != nil {
			t.Fatal(err)
		}
		o.Config, o.Load = first, file.load
	})
	const gone = `"msg":"texts wait whose profile is gone`
	if strings.Contains(b.log.text(), gone) {
		t.Errorf("a profile that is there is gone:\n%s", b.log.text())
	}
	file.set("log:", state, "name: sales", "name: orders")
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.log.text(), gone) || !strings.Contains(b.log.text(), `"texts":3,"profiles":["sales"]`) {
		t.Errorf("after the reload nothing is said:\n%s", b.log.text())
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	log := &recorder{seen: make(chan string, 100)}
	o := Options{Logger: slog.New(log)}
	var err error
	if o.Config, err = file.load(); err != nil {
		t.Fatal(err)
	}
	o.Config.FreeSWITCH.DrainTimeout = -1 // there is no start to be stopped
	if _, err := New(o); err == nil || !strings.Contains(log.text(), gone) {
		t.Errorf("at the start: %v, nothing is said:\n%s", err, log.text())
	}
}

// A daemon that cannot start takes up nothing of what is in its journal, or lets go of it
// again before anybody else has it.
func TestStartThatFailsSendsNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		name, want string
		change     func(*config.File)
		left       deflect.State // of what was being sent when a process ended
	}{
		{"no port for calls", "listen for calls", func(f *config.File) { f.OutboundListen = taken.Addr().String() }, deflect.Sending},
		{"no port for HTTP", "listen for HTTP", func(f *config.File) { f.HTTPListen = taken.Addr().String() }, deflect.Sending},
		{"no report", "configure the report", func(f *config.File) { f.Funnel.Every = time.Nanosecond }, deflect.Sending},
		{"a drain that cannot be", "configure FreeSWITCH", func(f *config.File) { f.FreeSWITCH.DrainTimeout = -1 }, deflect.Doubted},
	} {
		dir, since := kept(t)
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		j.Note(deflect.Entry{ExternalCallID: "sending", State: deflect.Sending, Customer: caller, Policy: "sales", Since: since})
		j.Close()
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		free.Close()
		reg := prometheus.NewRegistry()
		o := Options{Config: testFile(t), Registry: reg}
		o.Config.StateDir, o.Config.OutboundListen = dir, free.Addr().String()
		tt.change(&o.Config)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New() = %v, want %q", tt.name, err, tt.want)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "deflect_") {
				t.Errorf("%s: %s is there: what was begun goes on", tt.name, f.GetName())
			}
		}
		if ln, err := net.Listen("tcp", free.Addr().String()); err != nil {
			t.Errorf("%s: the port for calls is held on to: %v", tt.name, err)
		} else {
			ln.Close()
		}
		if j, err = journal.Open(dir, journal.Options{}); err != nil {
			t.Fatalf("%s: the journal is held on to: %v", tt.name, err)
		}
		if e, err := j.Find(t.Context(), "sending"); err != nil || e.State != tt.left {
			t.Errorf("%s: what was being sent is %q, %v, want %q", tt.name, e.State, err, tt.left)
		}
		j.Close()
	}
}

// A journal that cannot be read is not begun anew: there is no start, and what to do is said.
func TestDamagedJournalIsRefused(t *testing.T) {
	dir, _ := kept(t)
	if err := os.Truncate(filepath.Join(dir, "journal.db"), 5000); err != nil {
		t.Fatal(err)
	}
	o := Options{Config: testFile(t)}
	o.Config.StateDir = dir
	_, err := New(o)
	if _, is := errors.AsType[*journal.DamagedError](err); !is || !strings.Contains(err.Error(), "state.dir") || !strings.Contains(err.Error(), "put back a copy") {
		t.Errorf("New() = %v", err)
	}
}

// Whether the journal is written shows where an orchestrator looks. A reload changes
// whether it has to be.
func TestReadyzTellsOfTheJournal(t *testing.T) {
	file := &changing{}
	state := "state: {dir: " + filepath.Join(t.TempDir(), "state") + "}\nlog:"
	file.set("log:", state)
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		first, err := file.load()
		if err != nil {
			t.Fatal(err)
		}
		o.Config, o.Load = first, file.load
	})
	broken := errors.New("no space left on device")
	var err error
	b.daemon.unwritten = func() error { return err }
	want := func(path string, status int, body string) {
		t.Helper()
		if s, text := b.get(path); s != status || text != body {
			t.Errorf("%s = %d %q, want %d %q", path, s, text, status, body)
		}
	}
	want("/readyz", 200, "ok\n")
	err = broken
	want("/readyz", 503, "journal: no text goes out, for none can be written down: no space left on device\n")
	file.set("log:", strings.Replace(state, "}", ", required: false}", 1))
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	want("/readyz", 200, "ok\njournal: texts go out without being written down: no space left on device\n")
	want("/readyz?inbound", 200, "ok\njournal: texts go out without being written down: no space left on device\n")
	file.set("log:", strings.Replace(state, "state}", "other}", 1))
	if err := b.daemon.Reload(); err == nil || !strings.Contains(err.Error(), "state.dir: was changed, which needs a restart") {
		t.Errorf("another folder: %v", err)
	}
	err = nil
	want("/readyz", 200, "ok\n")
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// A caller who was texted is not texted again after a restart.
func TestCooldownOutlivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for _, want := range []string{reason(deflect.Sent, deflect.ReasonOK), reason(deflect.Ineligible, deflect.ReasonCooldown)} {
		b := start(t, func(o *Options) {
			o.Config.StateDir = dir
			o.Config.FreeSWITCH.Profiles[0].NoCooldown = false
		})
		results, _ := b.calls(1, pressOne)
		if diff := cmp.Diff(map[string]int{want: 1}, outcomes(t, results, 1)); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		b.stop()
		if err := b.finish(); err != nil {
			t.Error(err)
		}
	}
}

var _ state.Keeper = state.Remote{}
