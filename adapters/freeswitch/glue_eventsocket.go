package freeswitch

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/fiorix/go-eventsocket/eventsocket"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// This file is the only one that knows github.com/fiorix/go-eventsocket, which we
// use for connections that do not face strangers: to a switch that the operator
// has configured, and those that somebody else's program has accepted already.
// What it does badly, and what is done about it:
//
//   - Dial and Send have no context, and no time limit or one of 60 seconds. Both
//     run on goroutines of their own; see link and bridge for who waits how long.
//   - A frame of an unknown content type ends the process (log.Fatal), a Reply-Text
//     or an api body of less than two bytes panics in the library's goroutine, where
//     nobody can recover. The first comes from strangers, or after "log" and "event
//     xml"; the second after getvar and uuid_getvar. None of them is sent: see
//     command.
//   - Replies and read errors come through one channel, so that whoever reads events
//     can take the refusal that a Send waits for. Watching has a connection for
//     events and others for commands; a bridge has to live with it.
//   - Send waits for its reply before the next command can be written, and replies have
//     no id by which to tell them apart. Commands of different calls go over several
//     connections; see post.
//   - When the connection breaks, up to 16 events that were read already can be lost.
//     What the switch was asked for again after a reconnect makes up for it.
//   - Header names are changed: the names of variables come in lower case. Where
//     their case matters (caller info) the channel is asked for with uuid_dump.
//   - Plain events with a header name that is unusual for a MIME header end the
//     connection; therefore events come as JSON.
//   - Send ends its commands with CR LF. The switch then takes CR for what ends each
//     line of it: commands of several lines must have it everywhere.
//   - Event.Get panics for a header that came more than once in a JSON event.

// switchConn is one authenticated connection to a switch, as the library has it.
// Tests have one of their own.
type switchConn interface {
	// Send writes a command and waits for the reply. A refusal is a refusedError.
	Send(command string) (reply, error)
	// ReadEvent waits for an event. Names of headers are in lower case.
	ReadEvent() (notice, error)
	Close()
}

// reply is what came back for a command.
type reply struct {
	text    string // its body, of an api command, else its Reply-Text
	headers notice // after connect, the channel's data
}

// replied is a reply or why there is none.
type replied struct {
	reply
	err error
}

// refusedError is what the switch replied after -ERR. It can quote what it was told, a
// caller's Call-ID among it, so that the error tells only what is known.
type refusedError string

var refusals = []string{
	"No such channel", "invalid uuid", "invalid session id", "command not found", "Command not found", "Operation failed", "no reply",
	"no keywords supplied", "Cannot locate session", "USAGE", "access denied",
}

func (e refusedError) Error() string {
	for _, known := range refusals {
		if strings.Contains(string(e), known) {
			return "the switch refused: " + known
		}
	}
	return "the switch refused a command"
}

func isRefused(err error) bool {
	var refused refusedError
	return errors.As(err, &refused)
}

// isGone reports whether a command was refused because there is no such call.
func isGone(err error) bool {
	var refused refusedError
	return errors.As(err, &refused) &&
		(strings.Contains(string(refused), "No such channel") || strings.Contains(string(refused), "invalid uuid"))
}

// librarySwitch is a switchConn of the library.
type librarySwitch struct{ c *eventsocket.Connection }

// dialLibrary connects and authenticates, for as long as it takes.
func dialLibrary(address, password string) (switchConn, error) {
	c, err := eventsocket.Dial(address, password)
	if err == nil {
		return librarySwitch{c}, nil
	}
	// The library has no errors to compare with.
	switch err.Error() {
	case "Invalid password":
		return nil, errPassword
	case "Missing auth request":
		return nil, errNoAuth
	}
	return nil, fmt.Errorf("connect to the event socket: %w", quiet(err))
}

var (
	errPassword = errors.New("the switch refuses the password of its event socket")
	errNoAuth   = errors.New("the switch refuses the connection (apply-inbound-acl in its event_socket.conf.xml?), or this is no event socket")
)

func (l librarySwitch) Send(command string) (reply, error) {
	ev, err := l.c.Send(command)
	if err != nil {
		return reply{}, libraryError(err)
	}
	r := reply{text: ev.Body, headers: noticeOf(ev)}
	if r.text == "" {
		r.text = r.headers.Get("Reply-Text")
	}
	return r, nil
}

func (l librarySwitch) ReadEvent() (notice, error) {
	ev, err := l.c.ReadEvent()
	if err != nil {
		return nil, libraryError(err)
	}
	return noticeOf(ev), nil
}

// errNoReply is that of a Send whose reply did not come within a minute.
var errNoReply = errors.New("the switch did not reply")

func (l librarySwitch) Close() { l.c.Close() }

// libraryError tells a refusal from the end of a connection: the library makes the
// former of its text alone.
func libraryError(err error) error {
	switch {
	case ofConnection(err):
	case err.Error() == "Timeout":
		return errNoReply
	case errors.Unwrap(err) == nil && fmt.Sprintf("%T", err) == "*errors.errorString":
		return refusedError(strings.TrimSpace(err.Error()))
	}
	return fmt.Errorf("read from the event socket: %w", quiet(err))
}

// ofConnection reports whether an error is one of a connection.
func ofConnection(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &network)
}

// quiet returns the errors of a connection, and one of ours for all that may quote what
// came over it.
func quiet(err error) error {
	if ofConnection(err) {
		return err
	}
	return errProtocol
}

var errProtocol = errors.New("what came is not the protocol of the event socket")

// notice is an event as another library has it: values by the names of their
// headers in lower case.
type notice map[string]string

func noticeOf(ev *eventsocket.Event) notice {
	n := make(notice, len(ev.Header))
	for name, value := range ev.Header {
		if s, ok := value.(string); ok {
			n[strings.ToLower(name)] = s
		}
	}
	return n
}

// Get implements headers.
func (n notice) Get(name string) string { return n[strings.ToLower(name)] }

// Each implements headers.
func (n notice) Each(prefix string, fn func(name, value string) bool) {
	prefix = strings.ToLower(prefix)
	for name, value := range n {
		if strings.HasPrefix(name, prefix) && !fn(name, value) {
			return
		}
	}
}

// name is what a session knows the event by.
func (n notice) name() string {
	if n.Get("Content-Type") == "text/disconnect-notice" {
		return esl.DisconnectNotice
	}
	return n.Get("Event-Name")
}

// event is what a session needs of an event.
func (n notice) event() esl.Event {
	kept := map[string]string{}
	for _, name := range []string{
		"DTMF-Digit", "Application", "Application-Data", "Application-UUID", "Application-Response", "Content-Disposition",
		"Hangup-Cause", "Caller-Profile-Index", "Caller-Profile-Created-Time",
	} {
		if v, ok := n[strings.ToLower(name)]; ok {
			kept[name] = v
		}
	}
	return esl.NewEvent(n.name(), kept)
}
