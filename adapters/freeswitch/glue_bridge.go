package freeswitch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fiorix/go-eventsocket/eventsocket"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// HandleEventSocket takes a call over from a program that serves its event socket
// with github.com/fiorix/go-eventsocket, offers its caller a text as server does, and
// gives the call back to the dialplan. It is the one line that such a program needs:
//
//	eventsocket.ListenAndServe("127.0.0.1:8084", func(c *eventsocket.Connection) {
//		freeswitch.HandleEventSocket(ctx, c, server)
//	})
//
// The program may have done with the call what it likes before (its own connect,
// myevents, prompts), as long as it has read the events that it asked for, and nobody
// else uses the connection from now on. At the end the connection is closed. When ctx
// ends, the call is given back at once. A variable that the program sets counts when its
// CHANNEL_EXECUTE_COMPLETE has come, not before.
//
// It returns what became of the call, which is also in its channel variables and is
// counted and logged by server, and why. An error without an outcome means that there
// was no session: the connection was no call, or server has as many calls as it may.
//
// # What this does without
//
// [Server.Serve] protects itself against whoever reaches its port. Here the program's
// listener and the library stand in front, and they do not: there is no allow-list,
// and no limit of connections but Config.MaxCalls; frames may have any size and take
// any time; a frame of an unknown content type ends the whole process, and one with a
// short Reply-Text crashes it. Listen where only the switch can reach the port. A header
// that comes twice, as a browser of mod_verto can make one, is not noticed: leave
// Config.Variables empty where there are such calls. The names of channel variables come in lower case, and so do the keys of caller info. A
// call with a header name that MIME does not allow in its data goes on in the dialplan
// at once. Each command waits for the reply to the one before. A connection that breaks
// in the middle of a command can leave a goroutine behind.
func HandleEventSocket(ctx context.Context, c *eventsocket.Connection, server *Server) (deflect.Result, error) {
	return server.bridge(ctx, librarySwitch{c})
}

func (s *Server) bridge(ctx context.Context, c switchConn) (deflect.Result, error) {
	defer c.Close()
	if !s.enter() {
		s.metrics.rejected[rejectedMaxCalls].Inc()
		return deflect.Result{}, errors.New("freeswitch: as many calls as allowed are in progress; this one goes on in the dialplan")
	}
	defer s.leave()
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx)) // what ctx holds is for who traces the call
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	defer context.AfterFunc(s.cut, cancel)()
	if s.cut.Err() != nil {
		cancel()
	}
	setup := s.setup.Load()
	b := newBridge(c, setup.IdleTimeout)
	defer b.close(errOver)
	l := newSocketLine(b, stop, setup.Variables)
	l.borrowed = true
	e := newSession(stop, s, setup, l).guarded()
	if e.Outcome == "" {
		return deflect.Result{}, fmt.Errorf("freeswitch: no call came over the connection: %w", cmp.Or(b.Err(), errNoReply))
	}
	return e.Result, e.err
}

// bridge is the conn of a call over a connection of the library: one goroutine
// sends its commands one by one, another reads events once it is known to be a call.
// The first command has to be connect; there must be no getvar, whose reply the library may
// not survive. Of replies, only refusals and the channel data come back.
type bridge struct {
	*inbox[esl.Event]
	conn    switchConn
	over    chan struct{} // closed when the bridge is
	replies chan replied  // to commands, whoever waited for them
	refused chan error    // refusals that the reader of events got

	state sync.Mutex
	queue []esl.Command
	wake  chan struct{} // there are commands
	uuid  string        // of the call, once it is known
	since uint64        // the event number of its data
}

func newBridge(conn switchConn, idle time.Duration) *bridge {
	b := &bridge{
		inbox: newInbox[esl.Event](idle), conn: conn,
		over: make(chan struct{}), replies: make(chan replied), refused: make(chan error), wake: make(chan struct{}, 1),
	}
	go b.send()
	return b
}

// close ends the bridge; only the first reason counts.
func (b *bridge) close(err error) {
	b.state.Lock()
	defer b.state.Unlock()
	b.inbox.close(err)
	select {
	case <-b.over:
	default:
		close(b.over)
	}
}

// Post implements conn. It does not wait for the replies.
func (b *bridge) Post(cmds ...esl.Command) error {
	for _, c := range cmds {
		if err := c.Err(); err != nil {
			return err
		}
	}
	b.state.Lock()
	b.queue = append(b.queue, cmds...)
	b.state.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return b.Err()
}

// next waits for a command; it reports false at the end.
func (b *bridge) next() (esl.Command, bool) {
	for {
		b.state.Lock()
		if len(b.queue) > 0 {
			c := b.queue[0]
			b.queue = b.queue[1:]
			b.state.Unlock()
			return c, true
		}
		b.state.Unlock()
		select {
		case <-b.wake:
		case <-b.over:
			return esl.Command{}, false
		}
	}
}

// send executes the commands of the session.
func (b *bridge) send() {
	for first := true; ; first = false {
		cmd, ok := b.next()
		if !ok {
			return
		}
		text, err := esl.AppendCommand(nil, cmd)
		if err != nil {
			b.close(err)
			return
		}
		b.write(text)
		r, ok := b.reply()
		if !ok {
			return
		}
		switch {
		case r.err != nil:
			b.deliver(esl.NewEvent(esl.CommandError, map[string]string{"Command": cmd.Word(), "Reply-Text": r.err.Error()}))
		case first: // the channel data
			b.state.Lock()
			b.uuid, b.since = r.headers.Get("Unique-ID"), sequence(r.headers)
			b.state.Unlock()
			b.deliver(esl.NewEvent(esl.ChannelData, r.headers))
			// Not before: of a connection that is no call, the end is seen once, and whoever
			// waits for it besides does so for ever.
			go b.listen()
		}
	}
}

// write writes commands, and lets the library wait for one reply on a goroutine of its
// own: it can take a minute, and whichever waits gets a reply.
func (b *bridge) write(text []byte) {
	lines := strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\r\n")
	go func() {
		r, err := b.conn.Send(lines)
		if err != nil && !isRefused(err) {
			b.close(err) // the reader of events may wait for this in vain
			return
		}
		select {
		case b.replies <- replied{r, err}:
		case <-b.over:
		}
	}()
}

// reply waits for what came back for the last command.
func (b *bridge) reply() (replied, bool) {
	select {
	case r := <-b.replies:
		return r, true
	case err := <-b.refused:
		// The reader of events got it, and the library still waits. Two commands that do
		// no harm bring two replies: one for that, one for their own.
		linger := esl.Linger(lingerSeconds)
		two, _ := esl.AppendCommand(nil, linger)
		two, _ = esl.AppendCommand(two, linger)
		b.write(two)
		for range 2 {
			select {
			case <-b.replies:
			case <-b.over:
				return replied{}, false
			}
		}
		return replied{err: err}, true
	case <-b.over:
		return replied{}, false
	}
}

// listen takes in the events of the call: those of other calls, which the program may
// have asked for, and those from before are none.
func (b *bridge) listen() {
	for {
		n, err := b.conn.ReadEvent()
		switch {
		case isRefused(err):
			select {
			case b.refused <- err:
				continue
			case <-b.over:
				return
			}
		case err != nil:
			b.close(err)
			return
		}
		switch n.name() {
		case esl.DisconnectNotice:
			b.deliver(n.event())
		case "DTMF", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HANGUP":
			b.state.Lock()
			ours := b.uuid != "" && n.Get("Unique-ID") == b.uuid && sequence(n) > b.since
			b.state.Unlock()
			if ours {
				b.deliver(n.event())
			}
		}
	}
}
