package freeswitch

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Trace is hooks that hear, step by step, what a [Server] does about a call; those of
// [deflect.Trace] hear what its Client does meanwhile. Any of them may be nil.
//
// A hook is called where the step is made, which waits for it, and with it the events of all
// callers who wait in queues: it must return at once, and not call the Server. It is
// called for many calls at the same time, and for one call too: that of a caller who waits
// in a queue has its commands and events on goroutines of the connection to the switch, and
// some can come after its end. What it is given is not to be changed. A hook that panics is
// logged, and the call goes on without it.
type Trace struct {
	// Call begins with a connection that may be a call, or with a caller who waits in a queue
	// and has pressed the key, or whose offer has ended otherwise. It returns the context that
	// the Client is called with for it: the one it was given, or one made of it. The function
	// that it returns is called once, when the call was given back and is logged; nil is a
	// call that nobody traces, of which no other hook hears.
	Call func(ctx context.Context) (context.Context, func(TracedEnd))
	// Known hears what the channel data say of the call; a connection that is none never
	// comes so far.
	Known func(ctx context.Context, call TracedCall)
	// Command hears what is written to the switch about the call.
	Command func(ctx context.Context, command TracedLine)
	// Event hears what comes from the switch about the call, also before it is known.
	Event func(ctx context.Context, event TracedLine)
}

// TracedCall is what the channel data say of a call.
type TracedCall struct {
	UUID     string // of the channel, as logs show it
	Profile  string // that serves the call, "" for none
	Mode     string // deflect_mode: offer or accepted, "" for anything else
	Language string // of the prompts, "" when nobody serves the call
	Asked    string // deflect_asked: the caller's answer in an earlier pass of the call, "" without
	Waits    bool   // the caller waits in a queue
	Began    time.Time
	// Call is what the Client is asked about, with numbers, names and digits. It is good until
	// the hook returns.
	Call *deflect.Call
}

// TracedLine is one command to the switch, or one event of it.
type TracedLine struct {
	// Name is the first word of a command, the application of an execute, such as playback, or
	// the name of an api command; of an event its own name, or END for the connection's. It is of the
	// closed lists of this package and the switch.
	Name string
	// Masked is the arguments without what is about the caller, and without strangers' words.
	Masked string
	// Args is the arguments as they are: with keys, numbers, and a stranger's words.
	Args string
	// Switch is when the switch says that an event happened, by its own clock; else zero.
	Switch time.Time
}

// TracedEnd is how a call ended.
type TracedEnd struct {
	deflect.Result        // without an outcome for a connection that was no call
	Err            error  // why, where there is a cause
	Cause          string // of a hang-up, "" when none is known
	Confirmed      string // deflect_confirmed
	Heard          string // deflect_heard
}

// callTrace is the trace of one call; nil is a call that nobody traces.
type callTrace struct {
	srv   *Server
	hooks *Trace
	ctx   context.Context
	end   func(TracedEnd)
}

// hook calls one of the hooks. Whoever embeds the server has made it, and a defect there
// must not end a call.
func (s *Server) hook(call func()) {
	defer func() {
		if p := recover(); p != nil {
			s.defect("a hook of Trace", p)
		}
	}()
	call()
}

// beginTrace begins the trace of a call, if somebody wants one.
func (s *session) beginTrace() {
	hooks := s.setup.Trace
	if hooks == nil || hooks.Call == nil {
		return
	}
	var end func(TracedEnd)
	s.srv.hook(func() {
		var inside context.Context
		if inside, end = hooks.Call(s.ctx); inside != nil {
			s.ctx = inside
		}
	})
	if end == nil {
		return
	}
	s.trace = &callTrace{srv: s.srv, hooks: hooks, ctx: s.ctx, end: end}
	if s.talk.line != nil {
		s.talk.line.trace(s.trace)
	}
}

// known tells what the call is.
func (s *session) known() {
	if s.trace == nil || s.trace.hooks.Known == nil || s.ch.call == nil {
		return
	}
	k := TracedCall{UUID: s.ch.uuid, Asked: askedOf(deflect.Outcome(s.ch.asked)), Waits: s.ch.waits, Began: s.began, Call: s.ch.call}
	if s.ch.mode == modeOffer || s.ch.mode == modeAccepted {
		k.Mode = s.ch.mode
	}
	if s.profile != nil {
		k.Profile = s.profile.Name
	}
	if s.voice != nil {
		k.Language = s.voice.language
	}
	s.srv.hook(func() { s.trace.hooks.Known(s.ctx, k) })
}

// endTrace ends the trace of the call.
func (s *session) endTrace(e ending) {
	if s.trace == nil {
		return
	}
	end := TracedEnd{Result: e.Result, Err: e.err, Cause: s.cause, Confirmed: e.confirmed, Heard: e.heard}
	if e.Outcome == "" && s.talk.line != nil {
		end.Err = s.talk.line.why()
	}
	s.srv.hook(func() { s.trace.end(end) })
}

func (t *callTrace) command(name, args string) {
	if t != nil && t.hooks.Command != nil {
		t.srv.hook(func() { t.hooks.Command(t.ctx, TracedLine{Name: name, Masked: maskedArgs(name, args), Args: args}) })
	}
}

// asked tells a command to a switch that we dialled.
func (t *callTrace) asked(c command) {
	if t == nil || c == "" {
		return
	}
	name, args, _ := strings.Cut(strings.TrimPrefix(string(c), "api "), " ")
	t.command(name, args)
}

func (t *callTrace) event(e TracedLine) {
	if t != nil && t.hooks.Event != nil {
		t.srv.hook(func() { t.hooks.Event(t.ctx, e) })
	}
}

// heard tells an event.
func (t *callTrace) heard(name string, e headers) {
	if t != nil && t.hooks.Event != nil {
		t.event(tracedEvent(name, e))
	}
}

// failed tells why a command was not executed, or that the connection is gone.
func (t *callTrace) failed(name string, err error) {
	if t == nil || err == nil {
		return
	}
	l := TracedLine{Name: name, Masked: err.Error(), Args: err.Error()}
	if broken, is := errors.AsType[*esl.ProtocolError](err); is {
		l.Masked = "esl: " + string(broken.Kind) // its detail can quote
	}
	t.event(l)
}

// connectionEnd is the name of the end of a connection.
const connectionEnd = "END"

// tracedConn is a conn whose commands and events are told.
type tracedConn struct {
	conn
	trace *callTrace
}

// Post implements conn.
func (c tracedConn) Post(cmds ...esl.Command) error {
	err := c.conn.Post(cmds...)
	for _, cmd := range cmds {
		if err != nil || cmd.Err() != nil {
			continue
		}
		if _, app, arg, is := cmd.Execution(); is {
			c.trace.command(app, arg)
			continue
		}
		text, _ := esl.AppendCommand(nil, cmd)
		c.trace.asked(command(strings.TrimSpace(string(text))))
	}
	return err
}

// Next implements conn.
func (c tracedConn) Next(until time.Time) (esl.Event, error) {
	e, err := c.conn.Next(until)
	switch err {
	case nil:
		c.trace.heard(e.Name(), e)
	case esl.ErrTimeout, esl.ErrWoken:
	default:
		c.trace.failed(connectionEnd, err)
	}
	return e, err
}

// maskedArgs is what of a command's arguments is ours. A command that is not among these
// shows none.
func maskedArgs(name, args string) string {
	switch name {
	case "linger", "filter", "unset", "sched_cancel", "sched_del":
		return args
	case "playback":
		return strings.TrimPrefix(args, noTerminators)
	case "say":
		return maskedSay(args)
	case "multiset":
		return maskedSet(strings.TrimPrefix(args, "^^~"), "~")
	}
	uuid, rest, _ := strings.Cut(args, " ")
	switch name {
	case "uuid_setvar", "uuid_getvar", "uuid_dump", "uuid_break", "uuid_transfer":
	case "uuid_setvar_multi":
		rest = maskedSet(rest, ";")
	case "uuid_broadcast":
		if said, is := strings.CutPrefix(rest, "'say::"); is {
			rest = maskedSay(strings.TrimSuffix(said, "' aleg"))
		}
		rest = strings.TrimPrefix(rest, noTerminators)
	default:
		return ""
	}
	return strings.TrimSpace(deflect.LogID(uuid) + " " + rest)
}

const masked = "***"

// maskedSay leaves the number away that is read out.
func maskedSay(args string) string {
	return strings.TrimPrefix(args[:strings.LastIndexByte(args, ' ')+1], noTerminators) + masked
}

// maskedSet leaves away what the caller has keyed in.
func maskedSet(args, separator string) string {
	set := strings.Split(args, separator)
	for i, a := range set {
		if name, value, _ := strings.Cut(a, "="); name == digitsVariable && value != "" {
			set[i] = name + "=" + masked
		}
	}
	return strings.Join(set, " ")
}

var (
	eventForm       = regexp.MustCompile(`^[A-Z_]{1,64}$`)
	applicationForm = regexp.MustCompile(`^[a-z_]{1,64}$`)
	promptIDForm    = regexp.MustCompile(`^[a-z]{1,16}-[0-9]{1,2}$`)
)

// tracedEvent is an event as it is told.
func tracedEvent(name string, e headers) TracedLine {
	l := TracedLine{Name: name}
	if !eventForm.MatchString(name) {
		l.Name = "OTHER"
	}
	if us, err := strconv.ParseInt(e.Get("Event-Date-Timestamp"), 10, 64); err == nil && us > 0 {
		l.Switch = time.UnixMicro(us)
	}
	app := e.Get("Application")
	if !applicationForm.MatchString(app) {
		app = ""
	}
	var public, args []string
	switch name {
	case "DTMF":
		args = append(args, e.Get("DTMF-Digit"))
	case "CHANNEL_EXECUTE_COMPLETE":
		response := e.Get("Application-Response")
		public = append(public, app)
		if id := e.Get("Application-UUID"); promptIDForm.MatchString(id) {
			public = append(public, id)
		}
		if r := resultOf(response); r != noResult && (r != otherResult || app == "playback") {
			public = append(public, string(r))
		}
		args = append(args, e.Get("Application"), e.Get("Application-UUID"), e.Get("Application-Data"), response)
	case "CHANNEL_HANGUP":
		if c := e.Get("Hangup-Cause"); eventForm.MatchString(c) {
			public = append(public, c)
		}
		args = append(args, e.Get("Hangup-Cause"))
	case esl.DisconnectNotice:
		if e.Get("Content-Disposition") == "linger" {
			public = append(public, "linger")
		}
		args = append(args, e.Get("Content-Disposition"))
	case esl.CommandError:
		reply := e.Get("Reply-Text")
		if c := e.Get("Command"); applicationForm.MatchString(c) {
			public = append(public, c)
		}
		public = append(public, app, refusedError(reply).Error())
		args = append(args, e.Get("Command"), e.Get("Application"), reply)
	case esl.APIReply:
		public = append(public, app)
		args = append(args, e.Get("Application"), e.Get("Reply-Text"))
	case "CUSTOM":
		if s := e.Get("Event-Subclass"); s == eventFifo || s == eventWithdraw {
			public = append(public, s)
		}
		args = append(args, e.Get("Event-Subclass"), e.Get("FIFO-Action"))
	}
	l.Masked, l.Args = spaced(public), spaced(args)
	return l
}

// spaced joins what is there of some words.
func spaced(words []string) string {
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}
