package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// waitingConn is the conn of a session whose caller waits in a queue: what the
// session wants done to the channel is asked of the switch from outside, and what
// happens to the channel comes from the watcher.
type waitingConn struct {
	inbox
	link  *link
	uuid  string
	place string        // where the call was when the key was pressed
	owe   func(command) // takes what sets variables and could not be said

	state   sync.Mutex
	playing []playing // asked for and not complete, in their order
	played  bool      // something was
	moved   bool      // the call is not any more where it was when the key was pressed
}

// playing is a prompt as the session and as the switch know it.
type playing struct{ id, app, arg string }

func newWaitingConn(l *link, uuid, place string, owe func(command)) *waitingConn {
	return &waitingConn{link: l, uuid: uuid, place: place, owe: owe, inbox: newInbox()}
}

// Post implements conn. It waits for nothing.
func (w *waitingConn) Post(cmds ...esl.Command) error {
	for _, cmd := range cmds {
		c, ok := commandFor(w.uuid, cmd)
		if !ok {
			return fmt.Errorf("%s cannot be asked for on a call that waits", cmd.Word())
		}
		id, app, arg, _ := cmd.Execution()
		switch {
		case cmd.Word() == esl.Exit().Word():
			w.link.post("", func(string, error) { w.close(errOver) })
			continue
		case c == "":
			continue
		case app == "playback" || app == "say":
			w.state.Lock()
			w.playing, w.played = append(w.playing, playing{id, app, arg}), true
			w.state.Unlock()
		}
		connect := cmd.Word() == esl.Connect().Word()
		w.link.post(c, func(answer string, err error) {
			switch {
			case err != nil:
				if app == "multiset" && !isRefused(err) {
					w.owe(c)
				}
				w.refused(err)
			case connect:
				w.dumped(answer)
			}
		})
	}
	return nil
}

var errOver = errors.New("the session is over")

// dumped takes in the data of the channel. If an agent has taken the call since the key
// was pressed, they are not the caller's any more: mod_fifo puts the agent's number
// where the caller's was. The session goes on with what was announced.
func (w *waitingConn) dumped(text string) {
	data, err := esl.ParseChannelData(text)
	switch {
	case err != nil:
		w.refused(err)
	case w.movedIn(data):
		w.left("CHANNEL_BRIDGE")
	default:
		w.deliver(data)
	}
}

// refused tells the session that a command was not executed: the call is gone, or
// the connection is.
func (w *waitingConn) refused(err error) {
	w.state.Lock()
	w.moved = true
	w.state.Unlock()
	if isRefused(err) {
		w.deliver(esl.NewEvent("CHANNEL_HANGUP", nil))
		return
	}
	w.close(err)
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
	case "CHANNEL_EXECUTE_COMPLETE":
		if w.movedIn(n) {
			w.left("CHANNEL_BRIDGE")
			return
		}
		w.completed(n)
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

// freeAgent cuts the music of the queue, which begins again, if anything was played:
// an agent of mod_fifo who answered meanwhile has cut that instead of the music, and
// would wait for it, and the caller for the agent, for ever.
func (w *waitingConn) freeAgent() {
	w.state.Lock()
	stuck := w.played && !w.moved
	w.state.Unlock()
	if stuck {
		w.link.post(breakOff(w.uuid), nil)
	}
}

// stillThere reports whether the call waits where it did when the key was pressed, as
// far as was seen and as the switch says now.
func (w *waitingConn) stillThere(ctx context.Context) bool {
	text, err := w.link.do(ctx, dump(w.uuid))
	if err != nil {
		return false
	}
	data, err := esl.ParseChannelData(text)
	w.state.Lock()
	defer w.state.Unlock()
	return err == nil && !w.moved && !w.movedIn(data)
}

func (w *waitingConn) movedIn(h headers) bool {
	return placeOf(h) != w.place || h.Get("Other-Leg-Unique-ID") != ""
}

// placeOf says where in the dialplan a call is: it gets another caller profile with
// every transfer, and when the queue connects it to an agent.
func placeOf(h headers) string {
	place := h.Get("Caller-Profile-Index") + "." + h.Get("Caller-Profile-Created-Time")
	if !placeForm.MatchString(place) {
		return ""
	}
	return place
}
