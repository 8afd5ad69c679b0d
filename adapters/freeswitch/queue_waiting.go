package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// waitingConn is the conn of a session whose caller waits in a queue: what the
// session wants done to the channel is asked of the switch from outside, and what
// happens to the channel comes from the watcher.
type waitingConn struct {
	*inbox
	link *link
	uuid string
	spot spot      // where the call was when the key was pressed
	owe  func(job) // takes what could not be said and has to be
	free func()    // has freeAgent called beside the session; set by whoever makes it

	state   sync.Mutex
	playing []playing // asked for and not complete, in their order
	agent   bool      // one of mod_fifo has answered
	moved   bool      // the call is not any more where it was when the key was pressed
}

// playing is a prompt as the session and as the switch know it.
type playing struct{ id, app, arg string }

func newWaitingConn(l *link, uuid string, at spot, idle time.Duration, owe func(job)) *waitingConn {
	return &waitingConn{inbox: newInbox(idle), link: l, uuid: uuid, spot: at, owe: owe}
}

// Post implements conn. It waits for nothing.
func (w *waitingConn) Post(cmds ...esl.Command) error {
	for _, cmd := range cmds {
		c, ok := commandFor(w.uuid, cmd)
		if !ok {
			return fmt.Errorf("%s cannot be asked for on a call that waits", cmd.Word())
		}
		id, app, arg, _ := cmd.Execution()
		j := job{call: w.uuid, command: c}
		switch {
		case cmd.Word() == esl.Exit().Word():
			w.link.post(job{call: w.uuid, done: func(string, error) { w.close(errOver) }})
			continue
		case c == "":
			continue
		case app == "playback" || app == "say":
			w.state.Lock()
			w.playing = append(w.playing, playing{id, app, strings.TrimPrefix(arg, noTerminators)})
			w.state.Unlock()
			j.still = w.still // an agent who talks must not hear it
		case app == "break":
			j.still = w.still
		}
		connect := cmd.Word() == esl.Connect().Word()
		j.done = func(answer string, err error) {
			switch {
			case err == nil && connect:
				w.dumped(answer)
			case err == nil || errors.Is(err, errMoved):
			default:
				if app == "multiset" && unsaid(err) {
					w.owe(job{call: w.uuid, command: c})
				}
				w.refused(err)
			}
		}
		w.link.post(j)
	}
	return nil
}

var errOver = errors.New("the session is over")

// dumped takes in the data of the channel. If an agent has taken the call since the key
// was pressed, they are not the caller's any more: mod_fifo puts the agent's number
// where the caller's was. The session goes on with what was announced.
func (w *waitingConn) dumped(text string) {
	data, err := parseDump(text)
	switch {
	case err != nil:
		w.refused(err)
	case placeOf(data) != w.spot.place:
		w.left("CHANNEL_BRIDGE")
	case w.spot.agent(data):
		w.agentCame()
	default:
		w.deliver(data)
	}
}

// refused tells the session that a command was not executed: the call is gone, or
// the connection is.
func (w *waitingConn) refused(err error) {
	switch {
	case isGone(err):
		w.left("CHANNEL_HANGUP")
	case unsaid(err):
		w.close(err) // the call is still where it was, as far as anybody knows
	default:
		w.left(esl.CommandError)
	}
}

// left tells the session that the call is not its any more.
func (w *waitingConn) left(name string) {
	w.state.Lock()
	w.moved = true
	w.state.Unlock()
	w.deliver(esl.NewEvent(name, nil))
}

// see takes in an event of the call.
func (w *waitingConn) see(n notice) {
	switch name := n.name(); name {
	case "DTMF":
		w.deliver(n.event())
	case "CHANNEL_HANGUP", "CHANNEL_BRIDGE":
		w.left(name)
	case "CUSTOM":
		w.agentCame()
	case "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_PARK":
		switch {
		case placeOf(n) != w.spot.place:
			w.left("CHANNEL_BRIDGE")
		case w.spot.agent(n): // who has cut the prompt
			w.agentCame()
		default:
			w.completed(n)
		}
	}
}

// completed tells the session by its own id which prompt has ended: the switch gives
// what it is asked to broadcast another one.
func (w *waitingConn) completed(n notice) {
	app, arg := n.Get("Application"), n.Get("Application-Data")
	w.state.Lock()
	i := slices.IndexFunc(w.playing, func(p playing) bool { return p.app == app && p.arg == arg })
	id := ""
	if i >= 0 {
		id = w.playing[i].id
		w.playing = slices.Delete(w.playing, i, i+1)
	}
	w.state.Unlock()
	if i >= 0 {
		w.deliver(esl.NewEvent(n.name(), map[string]string{
			"Application": app, "Application-UUID": id, "Application-Response": n.Get("Application-Response"),
		}))
	}
}

// still reports whether nobody is known to have moved the call since the key was
// pressed.
func (w *waitingConn) still() bool {
	w.state.Lock()
	defer w.state.Unlock()
	return !w.moved
}

// agentCame ends the dialogue for an agent of mod_fifo who has answered. If a prompt
// plays, the agent's answer cuts that instead of the music, or nothing when it is about
// to begin, and agent and caller wait for each other for ever.
func (w *waitingConn) agentCame() {
	w.state.Lock()
	first := !w.agent
	w.agent = true
	w.state.Unlock()
	w.left("CHANNEL_BRIDGE")
	if first {
		w.free()
	}
}

const (
	freeEvery = 250 * time.Millisecond
	freeTries = 240 // what the agent is told before can take a while
)

// freeAgent connects the agent with the caller: it ends what plays, and then the music
// until the two are somewhere else, unless this process has to stop now.
func (w *waitingConn) freeAgent(cut context.Context) {
	w.state.Lock()
	waits := len(w.playing) > 0
	w.state.Unlock()
	for range freeTries {
		if waits || cut.Err() != nil {
			w.link.post(job{call: w.uuid, command: breakOff(w.uuid)})
		}
		text, err := w.link.do(context.Background(), w.uuid, dump(w.uuid))
		data, parseErr := parseDump(text)
		switch waits = false; {
		case err != nil, parseErr != nil, placeOf(data) != w.spot.place, cut.Err() != nil:
			return
		case w.spot.agent(data):
			w.link.post(job{call: w.uuid, command: breakOff(w.uuid)})
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
func (w *waitingConn) transfer(to command) error {
	done := make(chan error, 1)
	j := job{call: w.uuid, command: to, at: &w.spot, still: w.still}
	j.done = func(_ string, err error) { done <- err }
	w.link.post(j)
	err := <-done
	switch {
	case errors.Is(err, errAgent):
		w.agentCame()
	case unsaid(err):
		j.still = nil // nothing was seen since
		w.owe(j)
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
