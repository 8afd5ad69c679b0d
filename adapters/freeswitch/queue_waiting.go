package freeswitch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// queueLine is the line of a call whose caller waits in a queue and has pressed the key:
// what the session wants done is asked of the switch from outside, and what happens to the
// channel comes from the watcher.
type queueLine struct {
	*inbox[event]
	link *link
	uuid string
	spot spot      // where the call was when the key was pressed
	owe  func(job) // takes what could not be said and has to be
	free func()    // has freeAgent called beside the session; set by whoever makes it

	began     time.Time
	pressed   notice   // the key, nil without one
	announced channel  // what was known of the call when that was pressed
	counting  []string // variables of a browser's call that count
	known     bool     // the channel data are in data
	hung      bool

	state   sync.Mutex
	data    headers
	playing []playing // asked for and not complete, in their order
	agent   bool      // one of mod_fifo has answered
	moved   bool      // the call is not any more where it was when the key was pressed
	traces  *callTrace
}

// playing is a prompt as the session and as the switch know it.
type playing struct{ id, app, arg string }

func newQueueLine(l *link, uuid string, at spot, idle time.Duration, owe func(job)) *queueLine {
	return &queueLine{inbox: newInbox[event](idle), link: l, uuid: uuid, spot: at, owe: owe, began: time.Now()}
}

// tell implements line: one command each.
func (q *queueLine) tell(words ...word) {
	for _, w := range words {
		q.say(w)
		if w.do == doGiveBack {
			q.link.post(job{call: q.uuid, done: func(string, error) { q.close(errOver) }})
		}
	}
}

func (q *queueLine) say(w word) {
	c, ok := commandFor(q.uuid, w)
	if !ok || c == "" || w.do == doGiveBack && q.hung {
		return
	}
	j := job{call: q.uuid, command: c}
	switch w.do {
	case doPlay:
		q.plays(playing{w.id, "playback", w.prompt})
		j.still = q.still // an agent who talks must not hear it
	case doSay:
		q.plays(playing{w.id, "say", spoken(w)})
		j.still = q.still
	case doStop:
		j.still = q.still
	}
	j.done = func(text string, err error) {
		switch {
		case err == nil && w.do == doOpen:
			q.dumped(text)
		case err == nil:
		case errors.Is(err, errMoved):
			q.traced().failed(esl.CommandError, err) // it was not said
		default:
			if (w.do == doSet || w.do == doGiveBack) && unsaid(err) {
				q.owe(job{call: q.uuid, command: c})
			}
			q.refused(err)
		}
	}
	q.post(j)
}

func (q *queueLine) plays(p playing) {
	q.state.Lock()
	defer q.state.Unlock()
	q.playing = append(q.playing, p)
}

var errOver = errors.New("the session is over")

// next implements line.
func (q *queueLine) next(until time.Time) event {
	e, err := q.Next(until)
	if err != nil {
		return endOfWait(err)
	}
	q.known = q.known || e.what == callKnown
	q.hung = q.hung || e.gone == hungUp
	return e
}

// wake implements line.
func (q *queueLine) wake() { q.Wake() }

// trace implements line. The key that the session is for came before it.
func (q *queueLine) trace(t *callTrace) {
	q.state.Lock()
	q.traces = t
	q.state.Unlock()
	if q.pressed != nil {
		t.heard(q.pressed.name(), q.pressed)
	}
}

// traced is who traces the call, nil for nobody.
func (q *queueLine) traced() *callTrace {
	q.state.Lock()
	defer q.state.Unlock()
	return q.traces
}

// post asks the switch for something about the call.
func (q *queueLine) post(j job) {
	q.traced().asked(j.command)
	q.link.post(j)
}

// why implements line.
func (q *queueLine) why() error { return q.Err() }

// call implements line. The key was pressed, whatever has become of the call since.
func (q *queueLine) call() (channel, bool) {
	ch, call := q.announced, *q.announced.call
	ch.call = &call // the announced one stays as it was
	if q.known {
		q.state.Lock()
		defer q.state.Unlock()
		ch = readChannel(q.data, q.began, q.counting)
		q.data = nil
	}
	ch.waits, ch.released, ch.mode = true, false, modeAccepted
	ch.call.Digits = keepDigits(ch.call.Digits + q.announced.pressed)
	return ch, true
}

// end implements line: it waits until all is said.
func (q *queueLine) end() string {
	for until := time.Now().Add(partTimeout); ; {
		if e := q.next(until); e.what == lineDown || e.what == timeCame {
			return ""
		}
	}
}

// dumped takes in the data of the channel. If an agent has taken the call since the key
// was pressed, they are not the caller's any more: mod_fifo puts the agent's number
// where the caller's was. The session goes on with what was announced.
func (q *queueLine) dumped(text string) {
	data, err := parseDump(text)
	if err == nil {
		q.traced().heard(esl.ChannelData, data)
	}
	switch {
	case err != nil:
		q.refused(err)
	case placeOf(data) != q.spot.place:
		q.leave(served)
	case q.spot.agent(data):
		q.agentCame()
	default:
		q.state.Lock()
		q.data = data
		q.state.Unlock()
		q.deliver(event{what: callKnown})
	}
}

// refused tells the session that a command was not executed: the call is gone, or
// the connection is.
func (q *queueLine) refused(err error) {
	q.traced().failed(esl.CommandError, err)
	switch {
	case isGone(err):
		q.leave(hungUp)
	case unsaid(err):
		q.close(err) // the call is still where it was, as far as anybody knows
	default:
		q.leave(broken)
	}
}

// leave tells the session that the call is not its any more.
func (q *queueLine) leave(why gone) {
	q.state.Lock()
	q.moved = true
	q.state.Unlock()
	q.deliver(event{what: callLeft, gone: why})
}

// see takes in an event of the call.
func (q *queueLine) see(n notice) {
	q.traced().heard(n.name(), n)
	switch n.name() {
	case "DTMF":
		if d := n.Get("DTMF-Digit"); len(d) == 1 && isDigit(d[0]) {
			q.deliver(event{what: keyPressed, key: d[0]})
		}
	case "CHANNEL_HANGUP":
		q.leave(hungUp)
	case "CHANNEL_BRIDGE":
		q.leave(served)
	case "CUSTOM":
		q.agentCame()
	case "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_PARK":
		switch {
		case placeOf(n) != q.spot.place:
			q.leave(served)
		case q.spot.agent(n): // who has cut the prompt
			q.agentCame()
		default:
			q.completed(n)
		}
	}
}

// completed tells the session by its own id which prompt has ended: the switch gives
// what it is asked to broadcast another one.
func (q *queueLine) completed(n notice) {
	app, arg := n.Get("Application"), n.Get("Application-Data")
	q.state.Lock()
	i := slices.IndexFunc(q.playing, func(p playing) bool { return p.app == app && p.arg == arg })
	id := ""
	if i >= 0 {
		id = q.playing[i].id
		q.playing = slices.Delete(q.playing, i, i+1)
	}
	q.state.Unlock()
	if i >= 0 {
		q.deliver(event{what: promptEnded, id: id, result: resultOf(n.Get("Application-Response"))})
	}
}

// still reports whether nobody is known to have moved the call since the key was
// pressed.
func (q *queueLine) still() bool {
	q.state.Lock()
	defer q.state.Unlock()
	return !q.moved
}

// agentCame ends the dialogue for an agent of mod_fifo who has answered. If a prompt
// plays, the agent's answer cuts that instead of the music, or nothing when it is about
// to begin, and agent and caller wait for each other for ever.
func (q *queueLine) agentCame() {
	q.state.Lock()
	first := !q.agent
	q.agent = true
	q.state.Unlock()
	q.leave(served)
	if first {
		q.free()
	}
}

const (
	freeEvery = 250 * time.Millisecond
	freeTries = 240 // what the agent is told before can take a while
)

// freeAgent connects the agent with the caller: it ends what plays, and then the music
// until the two are somewhere else, unless this process has to stop now.
func (q *queueLine) freeAgent(cut context.Context) {
	q.state.Lock()
	waits := len(q.playing) > 0
	q.state.Unlock()
	for range freeTries {
		if waits || cut.Err() != nil {
			q.post(job{call: q.uuid, command: breakOff(q.uuid)})
		}
		text, err := q.link.do(context.Background(), q.uuid, dump(q.uuid))
		data, parseErr := parseDump(text)
		switch waits = false; {
		case err != nil, parseErr != nil, placeOf(data) != q.spot.place, cut.Err() != nil:
			return
		case q.spot.agent(data):
			q.post(job{call: q.uuid, command: breakOff(q.uuid)})
		}
		select {
		case <-time.After(freeEvery):
		case <-cut.Done():
		}
	}
}

// transfer sends the call somewhere else if nobody has moved it, as far as was seen
// and as the switch says in the same moment. It waits, unless the switch is away: then
// it is done when that is back.
func (q *queueLine) transfer(to command) error {
	done := make(chan error, 1)
	j := job{call: q.uuid, command: to, at: &q.spot, still: q.still}
	j.done = func(_ string, err error) { done <- err }
	q.post(j)
	err := <-done
	q.traced().failed(esl.CommandError, err)
	switch {
	case errors.Is(err, errAgent):
		q.agentCame()
	case unsaid(err):
		j.still = nil // nothing was seen since
		q.owe(j)
	}
	return err
}

// spot is where a call is, as far as its data tell.
type spot struct {
	place  place
	served string // by this agent of mod_fifo, before
}

func spotOf(h headers) spot { return spot{placeOf(h), variableOf(h, fifoAgentVariable)} }

// agent reports whether an agent of mod_fifo has answered, who may not be connected yet.
func (s spot) agent(data headers) bool {
	a := variableOf(data, fifoAgentVariable)
	return a != "" && a != s.served
}

// check returns an error unless a call is still there and waits, by its dump.
func (s spot) check(text string) error {
	data, err := parseDump(text)
	switch {
	case err != nil:
		return err
	case placeOf(data) != s.place:
		return errMoved
	case s.agent(data), variableOf(data, centerAgentVariable) == "true":
		return errAgent
	case variableOf(data, offerVariable) == "false": // the queue has let it go
		return errMoved
	}
	return nil
}

// identity tells a call from a later one with the same id, which can be the caller's own
// choice (inbound-use-callid-as-uuid).
type identity struct{ core, born string }

func identityOf(h headers) identity {
	return identity{h.Get("Core-UUID"), h.Get("Caller-Channel-Created-Time")}
}

// check returns an error unless a dump is that of the call; the zero identity is any.
func (i identity) check(text string) error {
	if i == (identity{}) {
		return nil
	}
	data, err := parseDump(text)
	if err == nil && identityOf(data) != i {
		err = errMoved
	}
	return err
}

// place is where in the dialplan a call is: it gets another caller profile with every
// transfer, and when the queue connects it to an agent, who is its other leg. Who is
// parked by an operator keeps it, and has left the queue.
type place struct {
	profile, leg string
	parked       bool
}

func placeOf(h headers) place {
	p := place{
		profile: h.Get("Caller-Profile-Index") + "." + h.Get("Caller-Profile-Created-Time"),
		leg:     h.Get("Other-Leg-Unique-ID"),
		parked:  h.Get("Channel-State") == "CS_PARK",
	}
	if !placeForm.MatchString(p.profile) {
		p.profile = ""
	}
	return p
}
