package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// traceOf asks for a call as somebody on this machine.
func traceOf(t *testing.T, b *bench, body string) (status int, all state.Traces) {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, state.PathTraceAbout, strings.NewReader(body))
	req.RemoteAddr, req.Host = "127.0.0.1:1234", "127.0.0.1:9180"
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.daemon.http.Handler.ServeHTTP(w, req)
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, all
}

// text is the steps of all calls.
func text(all state.Traces) string {
	var b strings.Builder
	for _, c := range all.Calls {
		for _, s := range c.Steps {
			fmt.Fprintf(&b, "%s %s\n", s.Kind, s.Text)
		}
	}
	return b.String()
}

// A call of a profile that is traced is told step by step, without what is about the caller
// unless somebody asks for it; and forgotten with the number. A reload switches it off.
func TestTraceOfACall(t *testing.T) {
	file := &changing{}
	file.set("gap: 1ms", "gap: 1ms, trace: true, countries: [US]")
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		first, err := file.load()
		if err != nil {
			t.Fatal(err)
		}
		o.Config, o.Load = first, file.load
	})
	call := pressOne
	call.UUID, call.CallerName = "3e0068c6-dcda-4c96-a87d-305d62b539f6", "Jane Doe"
	call.Vars = map[string]string{"deflect_first_name": "Jane", "deflect_info_plan": "Gold\x1b[31m"}
	results, _ := b.calls(1, call)
	outcomes(t, results, 1)
	waitFor(t, func() bool {
		all := b.daemon.traces.list(nil, false)
		return len(all.Calls) == 1 && all.Calls[0].Ended != nil
	})
	_, answer := b.ask(http.MethodGet, state.PathTraces, "") // which looks for numbers
	if calls := answer["calls"].([]any); len(calls) != 1 || calls[0].(map[string]any)["steps"] != nil {
		t.Errorf("the list is %v", answer)
	}
	const about = `{"call_id": "3e0068c6-dcda-4c96-a87d-305d62b539f6"`
	b.ask(http.MethodPost, state.PathTraceAbout, about+`}`)
	status, all := traceOf(t, b, about+`}`)
	got := text(all)
	for _, want := range []string{
		"command connect\n", "event CHANNEL_DATA\n", "call profile sales, offer, language en, from ***46, dialed ***00, first name (4 characters), skill (5 characters), text (6 characters), caller info (1 entries)\n",
		"rule number: pass, a number that can be texted\n", "rule country: pass, the number is of US\n", "text may be offered, ", "command playback offer.wav\n",
		"event DTMF\n", "text asked for\n", "request to text ***46\n", "request sent ok, status 200, ", "text sent ok, call ", "end sent ok",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%d, there is no %q in\n%s", status, want, got)
		}
	}
	if strings.Contains(got, "Jane") || strings.Contains(got, "Gold") {
		t.Errorf("shown:\n%s", got)
	}
	for _, of := range []string{about, `{"number": "(404) 343-8646"`} {
		_, all = traceOf(t, b, of+`, "reveal": true}`)
		if got := text(all); !strings.Contains(got, "from +14043438646, dialed ") || !strings.Contains(got, "first name Jane") || !strings.Contains(got, "DTMF 1\n") || !strings.Contains(got, "Gold") {
			t.Errorf("revealed:\n%s", got)
		}
	}
	if status, _ := traceOf(t, b, `{"number": "+14043438647"}`); status != http.StatusNotFound {
		t.Errorf("of another number: %d", status)
	}
	file.set("gap: 1ms", "gap: 2ms")
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, answer := b.ask(http.MethodGet, state.PathTraces, ""); len(answer["calls"].([]any)) != 1 || len(answer["profiles"].([]any)) != 0 || b.daemon.traces.begin() != nil {
		t.Errorf("after the reload there is %v", answer)
	}
	if status, answer := b.ask(http.MethodPost, state.PathForget, `{"number": "+14043438646"}`); status != http.StatusOK || answer["traces"] != 1. {
		t.Errorf("forgotten: %d %v", status, answer)
	}
	if status, answer := b.ask(http.MethodPost, state.PathTraceAbout, about+`}`); status != http.StatusNotFound || !strings.Contains(answer["error"].(string), "--next 5") {
		t.Errorf("what was forgotten: %d %v", status, answer)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// The next calls are traced that somebody asks for, and no more; whoever reads meanwhile sees
// them as far as they are.
func TestTraceOfTheNextCalls(t *testing.T) {
	b := start(t, nil)
	if b.daemon.traces.begin() != nil {
		t.Error("nobody asked for traces")
	}
	if status, answer := b.ask(http.MethodPost, state.PathTraceNext, `{"calls": 3}`); status != http.StatusOK || answer["next"] != 3. {
		t.Errorf("%d %v", status, answer)
	}
	stop, reader := make(chan struct{}), sync.WaitGroup{}
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				b.daemon.traces.list(func(*traced) bool { return true }, true)
			}
		}
	})
	results, _ := b.calls(8, pressOne)
	outcomes(t, results, 8)
	close(stop)
	reader.Wait()
	all := b.daemon.traces.list(nil, false)
	if len(all.Calls) != 3 || all.Next != 0 || b.daemon.traces.begin() != nil {
		t.Errorf("traced: %+v", all)
	}
	for _, body := range []string{`{"calls": -1}`, `{"calls": 201}`, `{"calls": "1"}`, `{"n": 1}`, `[]`} {
		if status, answer := b.ask(http.MethodPost, state.PathTraceNext, body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Traces are for this machine.
func TestTraceIsForThisMachine(t *testing.T) {
	h := &traceHandler{newTraces("US", nil), nil}
	for _, tt := range []struct {
		name, method, path, peer, host, kind string
		status                               int
	}{
		{"another machine", "GET", "/trace", "10.0.0.7:1", "127.0.0.1:9180", "", 403},
		{"a name that leads here now", "GET", "/trace", "127.0.0.1:1", "evil.example:9180", "", 403},
		{"a link", "GET", "/trace/about", "127.0.0.1:1", "127.0.0.1:9180", "", 405},
		{"a form", "POST", "/trace/next", "127.0.0.1:1", "127.0.0.1:9180", "text/plain", 415},
		{"no such path", "GET", "/trace/all", "127.0.0.1:1", "127.0.0.1:9180", "", 404},
		{"both", "POST", "/trace/about", "127.0.0.1:1", "127.0.0.1:9180", "application/json", 400},
		{"the list", "GET", "/trace", "127.0.0.1:1", "localhost:9180", "", 200},
	} {
		req := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{"call_id": "x", "number": "+14043438646"}`))
		req.RemoteAddr, req.Host = tt.peer, tt.host
		req.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if err := jsonOf(w, &map[string]any{}); err != nil || w.Code != tt.status {
			t.Errorf("%s: %d %s, %v, want %d", tt.name, w.Code, w.Body, err, tt.status)
		}
	}
}

// feed is a call as the hooks hear of it, up to its end.
func feed(t *traces, id string, number phone.Number, lines ...freeswitch.TracedLine) (end func()) {
	hooks := t.switchHooks()
	ctx, ended := hooks.Call(context.Background())
	if ended == nil {
		return func() {}
	}
	hooks.Known(ctx, freeswitch.TracedCall{UUID: deflect.LogID(id), Profile: "sales", Mode: "offer", Call: &deflect.Call{ExternalCallID: id, ANI: number}})
	for _, l := range lines {
		hooks.Event(ctx, l)
	}
	return func() {
		ended(freeswitch.TracedEnd{Result: deflect.Result{Outcome: deflect.Sent, Reason: deflect.ReasonOK}})
	}
}

// However many calls there are and however much they say, what is kept has a bound; and
// calls of another day are not kept.
func TestTracesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTraces("US", []string{"sales"})
		long := freeswitch.TracedLine{Name: "OTHER", Args: strings.Repeat("x", 10_000)}
		for i := range 1000 {
			feed(all, fmt.Sprint("call-", i), caller, long, long, long)()
		}
		talker := make([]freeswitch.TracedLine, 1000)
		for i := range talker {
			talker[i] = long
		}
		feed(all, "talker", caller, talker...)()
		if len(all.calls) != state.MostTraced || all.bytes > mostTraceBytes || all.calls[len(all.calls)-1].id != "talker" {
			t.Errorf("%d calls of %d bytes", len(all.calls), all.bytes)
		}
		for range 300 { // each of them with all that one may have
			feed(all, "talker", caller, talker[:100]...)()
		}
		sum := 0
		for _, c := range all.calls {
			sum += c.bytes
		}
		if sum != all.bytes || sum > mostTraceBytes || sum < mostTraceBytes*9/10 {
			t.Errorf("%d bytes, counted %d", sum, all.bytes)
		}
		last := all.list(func(*traced) bool { return true }, true).Calls
		if c := last[len(last)-1]; c.LeftOut == 0 || c.Steps[len(c.Steps)-1].Text != "sent ok" || len(c.Steps[1].Text) > mostStepText+100 {
			t.Errorf("%d steps, %d left out", len(c.Steps), c.LeftOut)
		}
		// Of what is no call yet.
		hooks := all.switchHooks()
		ctx, _ := hooks.Call(t.Context())
		for _, l := range talker {
			hooks.Event(ctx, l)
		}
		if c := tracedCall(ctx); c.bytes > mostBeforeCall || c.kept {
			t.Errorf("%d bytes of no call", c.bytes)
		}
		feed(all, "late", caller)()
		time.Sleep(longestTrace + 2*time.Second)
		synctest.Wait()
		all.mu.Lock() // nobody has looked
		defer all.mu.Unlock()
		if len(all.calls) != 0 || all.bytes != 0 || all.aging {
			t.Errorf("%d calls and %d bytes of yesterday", len(all.calls), all.bytes)
		}
	})
}

// The bound is one of memory, whatever the switch says that a key is.
func TestTracesOfStrangeKeys(t *testing.T) {
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	all := newTraces("US", []string{"sales"})
	before := inUse()
	for i := range state.MostTraced {
		var keys []freeswitch.TracedLine
		for range 40 {
			long := strings.Repeat("1", 8<<10)
			keys = append(keys, freeswitch.TracedLine{Name: "DTMF", Args: long}, freeswitch.TracedLine{Name: "DTMF", Args: long[:1]})
		}
		feed(all, fmt.Sprint("call-", i), caller, keys...)()
	}
	// What else the tests have left is some of it.
	if used := int64(inUse()) - int64(before); used > mostTraceBytes*5/4 || all.bytes < mostTraceBytes*9/10 {
		t.Errorf("%d bytes are in use, counted %d", used, all.bytes)
	}
	runtime.KeepAlive(all)
}

// A number is forgotten wherever it was said: by the switch, key by key, or as the one to
// text, in each of its spellings; also of a call that is in progress.
func TestTracesForget(t *testing.T) {
	keyed := func(digits string) (lines []freeswitch.TracedLine) {
		for _, d := range digits {
			lines = append(lines, freeswitch.TracedLine{Name: "DTMF", Args: string(d)})
		}
		return lines
	}
	all := newTraces("US", []string{"sales"})
	feed(all, "caller", "(404) 343-8646")()
	feed(all, "keyed", "anonymous", keyed("14043438646#")...)
	feed(all, "said", "anonymous", freeswitch.TracedLine{Name: "OTHER", Args: "404-343 8646"})()
	feed(all, "4043438646@host", "anonymous")()
	feed(all, "other", "+14043438647", keyed("12")...)()
	inProgress := feed(all, "now", caller)
	if n, err := all.forget(caller); n != 5 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	inProgress()
	left := all.list(nil, false)
	if len(left.Calls) != 1 || left.Calls[0].CallID != "other" {
		t.Errorf("left are %+v", left.Calls)
	}
	if _, err := all.forget("12"); err == nil {
		t.Error("12 is a number")
	}
	feed(all, "renumbered", "+551187654321")()
	if n, err := all.forget("+5511987654321"); n != 1 || err != nil {
		t.Errorf("%d forgotten in another spelling, %v", n, err)
	}
}

// Why a number that was keyed in is none is told, and the number as masked as any.
func TestTracesOfACheckedNumber(t *testing.T) {
	all := newTraces("US", []string{"sales"})
	hooks, engine := all.switchHooks(), all.engineHooks()
	ctx, _ := hooks.Call(t.Context())
	hooks.Known(ctx, freeswitch.TracedCall{Profile: "sales", Call: &deflect.Call{ANI: "anonymous"}})
	for _, err := range []error{nil, &deflect.Error{Reason: deflect.ReasonCountry, Err: errors.New("not here")}} {
		_, end := engine.Check(ctx, &deflect.Call{ANI: "anonymous", NumberOverride: caller})
		end(err)
	}
	for reveal, number := range map[bool]string{false: "***46", true: caller} {
		got := text(all.list(func(*traced) bool { return true }, reveal))
		for _, want := range []string{"text may be asked for, to " + number + ", ", "text may not be asked for (country), to " + number + ", "} {
			if !strings.Contains(got, want) {
				t.Errorf("there is no %q in\n%s", want, got)
			}
		}
	}
	if n, err := all.forget(caller); n != 1 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
}

// What becomes of a text that waits or is in doubt is told with its call.
func TestTracesOfTextsThatWait(t *testing.T) {
	all := newTraces("US", nil)
	engine := all.engineHooks()
	all.setNext(1)
	feed(all, "a", caller)()
	for _, id := range []string{"a", "other", ""} {
		ctx, end := engine.Later(t.Context(), &deflect.Call{ExternalCallID: id}, 2)
		if (end != nil) != (id == "a") {
			t.Errorf("%q is traced: %v", id, end != nil)
		}
		if end != nil {
			_, ended := engine.Attempt(ctx, &deflect.Text{Customer: phone.Parsed{E164: caller}})
			ended(deflect.Attempt{Outcome: deflect.Uncertain, Reason: deflect.ReasonTimeout, Err: errors.New("no answer")})
			end(deflect.Result{Outcome: deflect.Uncertain, Reason: deflect.ReasonTimeout, Attempts: 1}, &deflect.Error{Reason: deflect.ReasonTimeout, Err: errors.New("no answer")})
		}
		engine.Settled(deflect.Settlement{ExternalCallID: id, Result: deflect.SettledSent, Lookups: 3, Took: time.Minute})
	}
	got := text(all.list(func(*traced) bool { return true }, false))
	for _, want := range []string{
		"text that waits is due, after 2 tries\n", "request to text ***46\n", "request uncertain timeout, ", ": no answer\n",
		"text uncertain timeout, requests: 1, 0s: no answer\n", "text in doubt is settled: sent, after 3 lookups in 1m0s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
}

var manyDigits = regexp.MustCompile(`[0-9]{7,}`)

// Whatever the switch says of a call, what is shown of it without being asked for holds
// nothing of it.
func FuzzTraceIsMasked(f *testing.F) {
	f.Add("3e0068c6-dcda-4c96", "+14043438646", "Jane", "14043438646", "\x1b[31m")
	f.Add("14043438646@10.0.0.7", "tel:4043438646;x", "\xff", "*#", "4043438646")
	f.Fuzz(func(t *testing.T, id, number, name, digits, word string) {
		all := newTraces("US", []string{"sales"})
		hooks, engine := all.switchHooks(), all.engineHooks()
		ctx, end := hooks.Call(t.Context())
		call := &deflect.Call{
			ExternalCallID: id, ANI: phone.Number(number), DNIS: phone.Number(number), NumberOverride: phone.Number(number), Digits: digits, FirstName: name,
			Text: word, Skill: word, TextTag: word, CustomerID: digits, CallerInfo: map[string]any{name: word},
		}
		hooks.Known(ctx, freeswitch.TracedCall{UUID: deflect.LogID(id), Profile: "sales", Call: call})
		hooks.Command(ctx, freeswitch.TracedLine{Name: "say", Args: digits})
		hooks.Event(ctx, freeswitch.TracedLine{Name: "DTMF", Args: word})
		_, checked := engine.Check(ctx, call)
		checked(&deflect.Error{Outcome: deflect.Ineligible, Reason: deflect.ReasonNumberInvalid})
		if _, ended := engine.Deflect(ctx, call); ended == nil {
			t.Fatal("it is not traced")
		}
		_, ended := engine.Attempt(ctx, &deflect.Text{Customer: phone.Parsed{E164: number}})
		ended(deflect.Attempt{Outcome: deflect.Sent, Reason: deflect.ReasonOK})
		end(freeswitch.TracedEnd{})
		shown := all.list(func(*traced) bool { return true }, false)
		for i := range shown.Calls {
			shown.Calls[i].CallID, shown.Calls[i].UUID = "", "" // as the log has them
		}
		data, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range shown.Calls {
			for _, s := range c.Steps {
				if manyDigits.MatchString(s.Text) || len(name) > 12 && strings.Contains(s.Text, name) || len(word) > 12 && strings.Contains(s.Text, word) {
					t.Errorf("shown: %s", data)
				}
			}
		}
	})
}

// Who waited in a queue and pressed no key is heard of at the end alone: how long that was
// is in the trace all the same.
func TestTraceOfWhoOnlyWaitedBeginsWithTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newTraces("US", []string{"sales"})
		began := time.Now()
		time.Sleep(12 * time.Second)
		hooks := all.switchHooks()
		ctx, ended := hooks.Call(t.Context())
		hooks.Known(ctx, freeswitch.TracedCall{Profile: "sales", Waits: true, Began: began, Call: &deflect.Call{ExternalCallID: "a-call"}})
		ended(freeswitch.TracedEnd{Result: deflect.Result{Outcome: deflect.Abandoned, Reason: deflect.ReasonHangup}})
		shown := all.list(func(*traced) bool { return true }, false).Calls[0]
		if last := shown.Steps[len(shown.Steps)-1]; !shown.Began.Equal(began) || last.At.Sub(shown.Began) != 12*time.Second {
			t.Errorf("began %v, want %v, and ended at %v", shown.Began, began, last.At)
		}
		all.forget("") // nothing outlives the test
		time.Sleep(2 * longestTrace)
	})
}
