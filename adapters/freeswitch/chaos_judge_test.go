package freeswitch_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

// chaosText is one request for a text that reached an API, by the API's records alone.
type chaosText struct {
	at     time.Time
	callID string // of the API's
	may    bool   // it may have been processed, for all that its client can know
	taken  bool   // it was
	sent   bool   // and a text went out
	fault  string
}

// judge compares what callers lived through, what the APIs got and what the engine said.
func (w *chaosWorld) judge() {
	texts := w.texts()
	for _, name := range w.strange {
		w.t.Errorf("a request went to %s", name)
	}
	for _, v := range w.api.Violations() {
		w.t.Errorf("callId %s: %s", v.CallID, v.What)
	}
	type callerOf struct {
		number    string
		messaging bool
	}
	passes, last := 0, map[callerOf][]time.Time{}
	for _, c := range w.callers {
		w.judgeTexts(c, texts[c.name])
		for _, p := range c.passes {
			if p.played {
				passes++
				w.judgePass(c, p)
			}
		}
		for _, text := range texts[c.name] {
			if who := (callerOf{c.number, c.messaging}); text.may {
				last[who] = append(last[who], text.at)
			}
		}
		delete(texts, c.name)
	}
	if len(texts) > 0 {
		w.t.Errorf("texts for nobody: %v", texts)
	}
	for who, times := range last {
		slices.SortFunc(times, time.Time.Compare)
		for i := 1; i < len(times); i++ {
			// It begins a little before the text leaves.
			if apart := times[i].Sub(times[i-1]); apart < w.cooldown-10*time.Second {
				w.t.Errorf("two texts for %v, %s apart", who, apart)
			}
		}
	}
	for _, name := range []string{"deflect_requests_in_flight", "deflect_freeswitch_sessions_active"} {
		if got := series(w.t, w.reg, name); len(got) > 0 {
			w.t.Errorf("%s %v", name, got)
		}
	}
	for what, n := range outcomes(w.t, w.reg) {
		w.count("outcome "+what, n)
	}
	for what, n := range series(w.t, w.reg, "deflect_requests_total") {
		w.count("request "+what, n)
	}
	w.wantSum(passes - w.noCalls - w.repeated)
}

// texts are what the APIs got, by the name of the call.
func (w *chaosWorld) texts() map[string][]chaosText {
	texts, names := map[string][]chaosText{}, map[string]string{}
	for _, e := range w.api.Eligibilities() {
		var told []struct{ Info struct{ CustomerID string } }
		if err := json.Unmarshal(e.SDEs, &told); err != nil || len(told) == 0 || told[0].Info.CustomerID == "" {
			w.t.Errorf("an eligibility of nobody: %s", e.SDEs)
			continue
		}
		names[e.CallID] = told[0].Info.CustomerID
	}
	for _, r := range w.api.Requests() {
		if r.Call != c2mtest.CallInvite {
			continue
		}
		invite, known := w.api.Invite(r.CallID)
		taken := known && invite.Time.Equal(r.Time)
		texts[names[r.CallID]] = append(texts[names[r.CallID]], chaosText{
			at: r.Time, callID: r.CallID, taken: taken, sent: taken && invite.Sent, fault: r.Fault,
			may: taken || r.Status == 0 || r.Status < 300 || r.Status >= 500,
		})
	}
	byID := map[string]string{}
	for _, c := range w.callers {
		byID[c.id()] = c.name
	}
	for _, r := range w.rig.api.Requests() {
		name := byID[r.ExternalCallID]
		if strings.Contains(r.Path, "getLiveDeflectData") {
			continue
		}
		texts[name] = append(texts[name], chaosText{
			at: r.Time, callID: r.CallID, taken: r.Processed, sent: r.Processed, fault: r.Fault,
			may: r.Processed || r.Status == 0 || r.Status < 300 || r.Status >= 500,
		})
	}
	return texts
}

// pressed is when the caller first pressed the accept digit, or the menu says so.
func (c *chaosCaller) pressed() (at time.Time) {
	for _, p := range c.passes {
		if !p.played {
			continue
		}
		if p.call.Vars["deflect_mode"] == "accepted" && (at.IsZero() || p.result.Connected.Before(at)) {
			at = p.result.Connected
		}
		for _, m := range p.result.Moments {
			if key := p.result.Connected.Add(m.At); m.Kind == fst.KeyPressed && m.Name == "1" && (at.IsZero() || key.Before(at)) {
				at = key
			}
		}
	}
	return at
}

// hide sets texts aside that nobody can know of: with a token nothing tells the second copy of
// an invite, which something on the way made, from one to a consumer with an open
// conversation. Both are answered with code 1400.
func (w *chaosWorld) hide(texts []chaosText, results []deflect.Result) {
	for i := range texts {
		t := &texts[i]
		if w.bearer && t.taken && strings.Contains(t.fault, "delivered-twice") && slices.ContainsFunc(results, func(res deflect.Result) bool {
			return res.Outcome == deflect.Ineligible && res.Reason == deflect.ReasonOpenConversation && res.CallID == t.callID
		}) {
			w.count("texts that their own copy hides", 1)
			t.may, t.taken, t.sent = false, false, false
		}
	}
}

func (w *chaosWorld) judgeTexts(c *chaosCaller, texts []chaosText) {
	told := w.told[c.id()]
	if told == nil {
		told = &chaosTold{}
	}
	results := slices.Concat(told.results, told.later)
	w.hide(texts, results)
	may, pressed, tickets := 0, c.pressed(), map[string]bool{}
	var went *chaosText
	for i, text := range texts {
		switch {
		case pressed.IsZero():
			w.t.Errorf("%s: a text was asked for without a key: %+v", c.name, text)
		case text.at.Before(pressed):
			w.t.Errorf("%s: a text was asked for before the key at %s: %+v", c.name, pressed, text)
		case text.callID != "" && tickets[text.callID]:
			w.t.Errorf("%s: a second invite after one that may have been processed: %+v", c.name, texts)
		}
		if text.may {
			may++
			tickets[text.callID] = true
		}
		if text.taken {
			went = &texts[i]
		}
	}
	known, uncertain := 0, 0
	for _, res := range results {
		switch res.Outcome {
		case deflect.Sent:
			known++
			if went == nil || c.messaging && res.CallID != went.callID {
				w.t.Errorf("%s: sent as %q, and the API got %+v", c.name, res.CallID, texts)
			}
		case deflect.Uncertain:
			known++
			uncertain++
			if went != nil && c.messaging && res.CallID != went.callID {
				w.t.Errorf("%s: uncertain as %q, and the API got %+v", c.name, res.CallID, texts)
			}
		}
	}
	if may > 1 {
		w.t.Errorf("%s: %d texts may have gone out: %+v", c.name, may, texts)
	}
	if may > 0 && known != 1 || known > 1 {
		w.t.Errorf("%s: of %+v the engine knows %+v", c.name, texts, told)
	}
	if len(told.settled) != uncertain {
		w.t.Errorf("%s: settled %+v, told %+v", c.name, told.settled, told)
	}
	for _, s := range told.settled {
		w.count("settled "+string(s.Result), 1)
		sent := went != nil && went.sent
		if s.Result == deflect.SettledSent && !sent || s.Result == deflect.SettledNotSent && sent {
			w.t.Errorf("%s: settled %+v, and the API got %+v", c.name, s, texts)
		}
	}
	for _, text := range texts {
		if text.sent {
			w.count("texts", 1)
		}
	}
}

// chaosFrames is what the switch needs to hear and do what it was told.
const chaosFrames = 100 * time.Millisecond

func (w *chaosWorld) judgePass(c *chaosCaller, p *chaosPass) {
	res := p.result
	w.count("calls", 1)
	if len(p.call.Vars["deflect_mode"]) == 0 && c.messaging {
		// Who is offered a text, or is not, was kept waiting for that alone.
		waited := res.ContinuedAfter
		if len(res.Played) > 0 {
			waited = res.Played[0].At
		}
		if most := 700*time.Millisecond + chaosFrames; waited > most && !res.HungUp && !res.Transferred {
			w.t.Errorf("%s: waited for %s: %v", c.name, waited, res.Timeline)
		}
	}
	if told := w.told[c.id()]; told != nil && !p.moved && len(c.passes) == 1 && len(told.results) == 1 {
		if got, want := res.Vars["deflect_outcome"], string(told.results[0].Outcome); got != want {
			w.t.Errorf("%s: deflect_outcome is %q, and its text %s: %v", c.name, got, want, res.Timeline)
		}
	}
}

// chaosJournal remembers texts in memory, also those that wait.
type chaosJournal struct {
	mu      sync.Mutex
	entries map[string]deflect.Entry
}

func (j *chaosJournal) find(id string) deflect.Entry {
	e := j.entries[id]
	if e.State == deflect.Ended && time.Now().After(e.Until) {
		return deflect.Entry{}
	}
	return e
}

func (j *chaosJournal) Find(_ context.Context, id string) (deflect.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.find(id), nil
}

func (j *chaosJournal) Change(_ context.Context, from deflect.State, e deflect.Entry) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.find(e.ExternalCallID).State != from {
		return false, nil
	}
	e.Data = slices.Clone(e.Data)
	j.entries[e.ExternalCallID] = e
	return true, nil
}

func (j *chaosJournal) Note(e deflect.Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Data = slices.Clone(e.Data)
	j.entries[e.ExternalCallID] = e
}

func (j *chaosJournal) Open(context.Context) (open []deflect.Entry, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for e := range maps.Values(j.entries) {
		if e.State != "" && e.State != deflect.Ended {
			open = append(open, e)
		}
	}
	return open, nil
}
