package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// What is kept of calls. All of it is in memory, and holds numbers and words of callers.
const (
	mostTraceBytes = 8 << 20
	mostCallBytes  = 64 << 10
	mostCallSteps  = 500
	mostBeforeCall = 4 << 10 // of a connection of which nobody knows yet whether it is a call
	mostStepText   = 2 << 10
	longestTrace   = 24 * time.Hour
	stepOverhead   = 200 // bytes of a step besides its texts, with room that a slice has grown by
	callOverhead   = 1 << 10
)

// traces is the last calls that were traced, a ring in memory. It is safe for concurrent
// use.
type traces struct {
	region string
	on     atomic.Bool // somebody wants calls to be traced

	mu       sync.Mutex
	calls    []*traced // the oldest first
	bytes    int       // of all of them
	aging    bool      // somebody will look for those that are too old
	next     int       // so many calls to come are traced, whatever their profile
	profiles map[string]bool
}

// traced is one call. Its fields but off are guarded by the mutex of the ring.
type traced struct {
	off     atomic.Bool // nothing of it is kept any more, or ever was
	id      string
	uuid    string // as in the log
	apiID   string
	profile string
	number  phone.Number
	dialed  phone.Number
	numbers []phone.Number // that it was about, as they were spelled
	began   time.Time
	ended   time.Time
	outcome deflect.Outcome
	reason  deflect.Reason
	kept    bool // it is in the ring
	steps   []step
	bytes   int
	leftOut int
}

// step is one step, without what is about the caller and with it.
type step struct {
	at            time.Time
	kind          string
	masked, whole string
	key           string // that the caller has pressed
}

func newTraces(region string, profiles []string) *traces {
	t := &traces{region: region}
	t.setProfiles(profiles)
	return t
}

// setProfiles says whose calls are traced from now on. Those in progress go on as they
// began.
func (t *traces) setProfiles(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.profiles = make(map[string]bool, len(names))
	for _, name := range names {
		t.profiles[name] = true
	}
	t.wantLocked()
}

// setNext says how many calls to come are traced, whatever their profile.
func (t *traces) setNext(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = n
	t.wantLocked()
}

func (t *traces) wantLocked() { t.on.Store(t.next > 0 || len(t.profiles) > 0) }

// begin returns a call that may be traced, which is known when it is kept; nil when nobody
// wants any.
func (t *traces) begin() *traced {
	if !t.on.Load() {
		return nil
	}
	return &traced{began: time.Now(), bytes: callOverhead}
}

// keep puts a call into the ring that somebody wants to be traced, or turns it off.
func (t *traces) keep(c *traced, profile string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.profile = profile
	switch {
	case t.profiles[profile]:
	case t.next > 0:
		t.next--
		t.wantLocked()
	default:
		c.off.Store(true)
		c.steps = nil
		return
	}
	c.kept = true
	t.calls = append(t.calls, c)
	t.bytes += c.bytes
	t.boundLocked()
	t.ageLocked()
}

// ageLocked sees to it that no call is kept for too long, also when nobody looks and none
// comes.
func (t *traces) ageLocked() {
	if t.aging || len(t.calls) == 0 {
		return
	}
	t.aging = true
	time.AfterFunc(time.Until(t.calls[0].began.Add(longestTrace))+time.Second, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.aging = false
		t.boundLocked()
		t.ageLocked()
	})
}

// boundLocked drops the oldest calls until the rest may be kept. One in progress that is
// dropped is not traced any more.
func (t *traces) boundLocked() {
	old := time.Now().Add(-longestTrace)
	for len(t.calls) > 0 && (len(t.calls) > state.MostTraced || t.bytes > mostTraceBytes || t.calls[0].began.Before(old)) {
		t.dropLocked(0)
	}
}

func (t *traces) dropLocked(i int) {
	c := t.calls[i]
	c.off.Store(true)
	t.bytes -= c.bytes
	c.steps = nil
	t.calls = slices.Delete(t.calls, i, i+1)
}

// add adds a step. What is of strangers can be long.
func (t *traces) add(c *traced, s step) {
	s.at, s.masked, s.whole = time.Now(), cut(s.masked), cut(s.whole)
	s.key = strings.Clone(cut(s.key)) // of the switch, it can be in something larger
	size := stepOverhead + len(s.masked) + len(s.whole) + len(s.key)
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.off.Load() {
		return
	}
	most := mostCallBytes
	if !c.kept {
		most = mostBeforeCall
	}
	if s.kind != kindEnd && (len(c.steps) >= mostCallSteps || c.bytes+size > most) {
		c.leftOut++
		return
	}
	c.steps = append(c.steps, s)
	c.bytes += size
	if c.kept {
		t.bytes += size
		t.boundLocked()
	}
}

// cut lets go of the rest of a long text, and of the memory that it is in.
func cut(s string) string {
	if len(s) <= mostStepText {
		return s
	}
	return strings.ToValidUTF8(s[:mostStepText], "") + "..."
}

// change changes what is known of a call.
func (t *traces) change(c *traced, change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.off.Load() {
		change()
	}
}

// ofID returns the last call with an id of the phone system, nil without one.
func (t *traces) ofID(id string) *traced {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range slices.Backward(t.calls) {
		if c.id == id && id != "" {
			return c
		}
	}
	return nil
}

// forget drops the calls that were about a number, or in which it was keyed in, and
// returns how many these are.
func (t *traces) forget(number string) (int, error) {
	spellings, err := state.Spellings(number, t.region)
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	calls := slices.Clone(t.calls)
	t.mu.Unlock()
	n := 0
	for _, c := range calls {
		if t.forgetOne(c, spellings) {
			n++
		}
	}
	return n, nil
}

// forgetOne drops a call that was about a number. Calls in progress wait meanwhile, which is
// why it is one: all of them can take 50 ms to look through.
func (t *traces) forgetOne(c *traced, spellings []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.calls, c)
	if i < 0 || !c.of(spellings, t.region) && !c.mentions(spellings) {
		return false
	}
	t.dropLocked(i)
	return true
}

// of reports whether a call was about a number.
func (c *traced) of(spellings []string, region string) bool {
	return slices.ContainsFunc(c.numbers, func(n phone.Number) bool {
		e164, ok := numberplan.E164(n, region)
		return ok && slices.Contains(spellings, e164)
	})
}

// mentions reports whether the digits of a number are anywhere in the steps: keyed in, read
// back, in a variable. That they can be another's by chance does no harm.
func (c *traced) mentions(spellings []string) bool {
	var keys strings.Builder
	texts := make([]string, 0, len(c.steps)+1)
	for _, s := range c.steps {
		keys.WriteString(s.key)
		texts = append(texts, digitsOf(s.whole))
	}
	texts = append(texts, digitsOf(keys.String()), digitsOf(c.id))
	for _, e164 := range spellings {
		tail := digitsOf(e164)
		tail = tail[max(0, len(tail)-8):]
		if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, tail) }) {
			return true
		}
	}
	return false
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// list returns the calls that which is true of, all without it, with their steps only for
// which.
func (t *traces) list(which func(*traced) bool, reveal bool) state.Traces {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.boundLocked()
	all := state.Traces{Calls: []state.Trace{}, Next: t.next, Profiles: []string{}}
	for name := range t.profiles {
		all.Profiles = append(all.Profiles, name)
	}
	slices.Sort(all.Profiles)
	for _, c := range t.calls {
		if which == nil || which(c) {
			all.Calls = append(all.Calls, c.shown(which != nil, reveal))
		}
	}
	return all
}

// shown is a call as it is told.
func (c *traced) shown(steps, reveal bool) state.Trace {
	s := state.Trace{
		CallID: deflect.LogID(c.id), UUID: c.uuid, Profile: c.profile, Number: c.number.String(), Dialed: c.dialed.String(),
		Began: c.began.UTC(), Outcome: string(c.outcome), Reason: string(c.reason), LeftOut: c.leftOut, Revealed: reveal,
	}
	if s.UUID == s.CallID {
		s.UUID = ""
	}
	if reveal {
		s.CallID, s.Number, s.Dialed = c.id, string(c.number), string(c.dialed)
	}
	if !c.ended.IsZero() {
		ended := c.ended.UTC()
		s.Ended = &ended
	}
	if !steps {
		return s
	}
	s.Steps = make([]state.TraceStep, 0, len(c.steps)) // calls in progress wait
	for _, one := range c.steps {
		text := one.masked
		if reveal && one.whole != "" {
			text = one.whole
		}
		s.Steps = append(s.Steps, state.TraceStep{At: one.at.UTC(), Kind: one.kind, Text: text})
	}
	return s
}

type tracedKey struct{}

// tracedCall is the call that ctx is of, nil when nobody traces it.
func tracedCall(ctx context.Context) *traced {
	if c, _ := ctx.Value(tracedKey{}).(*traced); c != nil && !c.off.Load() {
		return c
	}
	return nil
}
