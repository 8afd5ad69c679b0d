package esl

import (
	"math"
	"strings"
)

// Names of what the switch does not send as events.
const (
	// DisconnectNotice is the switch's word that the call or our control of
	// it ended. Its headers are those of the notice, such as
	// Content-Disposition: "linger" means that more events may follow.
	DisconnectNotice = "DISCONNECT_NOTICE"
	// CommandError is the switch's refusal of a command sent with Post. Its
	// headers are Command (the first word), Reply-Text and, for an Execute,
	// Application and Application-UUID; for an api command its name is Application.
	CommandError = "COMMAND_ERROR"
	// APIReply is the answer of the api to the command in Application, such as
	// "uuid_getvar", in its header Reply-Text: for a GetVar the value, which is as much
	// a stranger's as that of any variable, or "_undef_".
	APIReply = "API_REPLY"
	// ChannelData is the reply to Connect: everything that the switch knows
	// about the call.
	ChannelData = "CHANNEL_DATA"
)

// Event is an event from the switch, or one of DisconnectNotice, CommandError and
// APIReply, or the channel data in the reply to Connect. It is small, to
// be passed by value. Values are decoded when they are asked for; the strings it
// returns are copies. An event of a Conn is good until the next Conn.Next.
type Event struct{ d *eventData }

type eventData struct {
	name  string
	lines lineIndex
	plain bool // the values are not percent-encoded
}

// Name returns the event's name, such as "DTMF".
func (e Event) Name() string {
	if e.d == nil {
		return ""
	}
	return e.d.name
}

// Get returns the value of a header, decoded, or "" if there is none. Names
// compare in any case; of several headers with one name the first one counts.
func (e Event) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup is Get that also says whether there is such a header.
func (e Event) Lookup(name string) (string, bool) {
	if e.d == nil {
		return "", false
	}
	v, ok := e.d.lines.find(name)
	if !ok {
		return "", false
	}
	return e.d.value(v), true
}

// Repeated reports whether there is more than one header with this name. The names are
// not encoded, so one with a line break in it, which mod_verto takes from a browser,
// makes headers that the switch has not made.
func (e Event) Repeated(name string) bool {
	if e.d == nil {
		return false
	}
	first := e.d.lines.number(name)
	return first >= 0 && e.d.lines.numberFrom(first+1, name) > 0
}

// Each calls fn for the headers whose name starts with prefix, in any case, in
// the order they came, with the name as it was sent and the decoded value. Of
// several headers with one name it shows the first. It stops when fn returns
// false.
func (e Event) Each(prefix string, fn func(name, value string) bool) {
	if e.d == nil {
		return
	}
	for i := range e.d.lines.len() {
		raw := e.d.lines.name(i)
		if len(raw) < len(prefix) || !equalFold(raw[:len(prefix)], prefix) {
			continue
		}
		name := string(raw)
		if e.d.lines.number(name) < i {
			continue
		}
		if !fn(name, e.d.value(e.d.lines.value(i))) {
			return
		}
	}
}

func (d *eventData) value(raw []byte) string {
	if d.plain {
		return string(raw)
	}
	return unescape(raw)
}

// plainEvent makes an event of the body of a text/event-plain frame: header lines up
// to an empty line. A body of its own after that is not kept. The event shares the
// memory of body, and uses room.
func plainEvent(body []byte, maxLines int, room []headerLine) (eventData, error) {
	lines, err := indexLines(body, maxLines, room)
	if err != nil {
		return eventData{}, err
	}
	name := eventName(lines)
	switch name {
	case "":
		return eventData{}, fault(KindMalformed, "event: no name")
	case DisconnectNotice, CommandError, APIReply, ChannelData:
		return eventData{}, fault(KindMalformed, "event: reserved name")
	}
	return eventData{name: name, lines: lines}, nil
}

// channelData makes an event of the reply to connect.
func channelData(f Frame, room []headerLine) (eventData, error) {
	lines, err := indexLines(f.raw[:f.head], mostLimit, room)
	return eventData{name: ChannelData, lines: lines}, err
}

// disconnectNotice makes an event of a notice, whose headers are not encoded.
func disconnectNotice(f Frame, room []headerLine) (eventData, error) {
	lines, err := indexLines(f.raw[:f.head], mostLimit, room)
	return eventData{name: DisconnectNotice, lines: lines, plain: true}, err
}

// commandError makes an event of a refusal.
func commandError(c asked, reply string) (eventData, error) {
	var b []byte
	add := func(name, value string) {
		b = append(append(b, name...), ": "...)
		b = append(appendEscaped(b, value), '\n')
	}
	add("Command", c.word)
	if c.app != "" {
		add("Application", c.app)
	}
	if c.uuid != "" {
		add("Application-UUID", c.uuid)
	}
	add("Reply-Text", reply)
	lines, err := indexLines(append(b, '\n'), mostLimit, nil)
	return eventData{name: CommandError, lines: lines}, err
}

// apiReply makes an event of the reply to a command of the api.
func apiReply(c asked, text string) (eventData, error) {
	line := appendEscaped([]byte("Application: "+c.app+"\nReply-Text: "), text)
	lines, err := indexLines(append(line, "\n\n"...), mostLimit, nil)
	return eventData{name: APIReply, lines: lines}, err
}

// eventName returns the name without taking memory for the usual ones.
func eventName(lines lineIndex) string {
	v, _ := lines.find("Event-Name")
	switch string(v) {
	case "DTMF":
		return "DTMF"
	case "CHANNEL_EXECUTE_COMPLETE":
		return "CHANNEL_EXECUTE_COMPLETE"
	case "CHANNEL_HANGUP":
		return "CHANNEL_HANGUP"
	case "CHANNEL_DATA":
		return "CHANNEL_DATA"
	}
	return unescape(v)
}

// NewEvent makes an event of headers that came by another way than a Conn, such
// as another library for the event socket. Their values are those after decoding.
func NewEvent(name string, headers map[string]string) Event {
	var b []byte
	for key, value := range headers {
		if key == "" || strings.ContainsAny(key, ":\r\n\x00") {
			continue // cannot be a header
		}
		b = append(append(b, key...), ": "...)
		b = append(appendEscaped(b, value), '\n')
	}
	lines, err := indexLines(append(b, '\n'), math.MaxInt, nil)
	if err != nil {
		return Event{}
	}
	return Event{&eventData{name: name, lines: lines}}
}
