package freeswitchtest

import (
	"strconv"
	"time"
)

// An event is one message of the switch about the channel. It is turned into
// bytes when it is sent and not kept: it would be 7 KB.
type event struct {
	name   string
	source source
	extra  []line // after everything else
	bare   bool   // without variables
}

type line struct{ name, value string } // a raw value

// A source is the place in the switch that fires an event.
type source struct {
	file, function string
	line           int
}

var (
	fromConnect  = source{"mod_event_socket.c", "parse_command", 2021}
	fromExecute  = source{"switch_core_session.c", "switch_core_session_exec", 2944}
	fromComplete = source{"switch_core_session.c", "switch_core_session_exec", 2967}
	fromAnswer   = source{"switch_channel.c", "switch_channel_perform_mark_answered", 3846}
	fromHangup   = source{"switch_channel.c", "switch_channel_perform_hangup", 3445}
	fromState    = source{"switch_channel.c", "switch_channel_perform_set_running_state", 2408}
	fromDTMF     = source{"switch_channel.c", "switch_channel_dequeue_dtmf", 677}
	fromPark     = source{"switch_ivr.c", "switch_ivr_park", 1213}
	fromReport   = source{"switch_core_state_machine.c", "switch_core_session_reporting_state", 943}
)

const (
	eventData     = "CHANNEL_DATA"
	eventHangup   = "CHANNEL_HANGUP"
	eventReport   = "CHANNEL_HANGUP_COMPLETE"
	eventExecute  = "CHANNEL_EXECUTE"
	eventComplete = "CHANNEL_EXECUTE_COMPLETE"
)

// append writes the headers of an event, without the empty line at the end.
func (ch *channel) append(dst []byte, e event) []byte {
	dst = appendLine(dst, "Event-Name", e.name)
	for _, h := range tmpl.core {
		dst = h.append(dst, "", ch.fill)
	}
	now := time.Now().UTC()
	dst = appendLine(dst, "Event-Date-Local", now.Format("2006-01-02 15:04:05"))
	dst = appendLine(dst, "Event-Date-GMT", now.Format("Mon, 02 Jan 2006 15:04:05")+" GMT")
	dst = appendLine(dst, "Event-Date-Timestamp", strconv.FormatInt(now.UnixMicro(), 10))
	dst = appendLine(dst, "Event-Calling-File", e.source.file)
	dst = appendLine(dst, "Event-Calling-Function", e.source.function)
	dst = appendLine(dst, "Event-Calling-Line-Number", strconv.Itoa(e.source.line))
	dst = appendLine(dst, "Event-Sequence", strconv.Itoa(ch.sequence))
	switch e.name {
	case eventReport:
		dst = appendLine(dst, "Hangup-Cause", ch.cause)
	case eventData:
		for _, h := range tmpl.profile {
			dst = h.append(dst, "Channel-", ch.fill)
		}
	}
	for _, h := range tmpl.state {
		dst = h.append(dst, "", ch.fill)
	}
	for _, h := range tmpl.profile {
		dst = h.append(dst, "Caller-", ch.fill)
	}
	if !e.bare {
		dst = ch.vars.append(dst, ch.fill)
	}
	for _, l := range e.extra {
		dst = appendLine(dst, l.name, l.value)
	}
	return dst
}

func appendLine(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = appendEncoded(dst, value)
	return append(dst, '\n')
}

// The largest event is one of HANGUP_COMPLETE; most are a third smaller.
const eventSize = 8 << 10

// frame gives an event as the socket has it.
func (ch *channel) frame(e event) []byte {
	body := append(ch.append(make([]byte, 0, eventSize), e), '\n')
	head := "Content-Length: " + strconv.Itoa(len(body)) + "\nContent-Type: text/event-plain\n\n"
	return append([]byte(head), body...)
}

// data gives the answer to connect: a reply whose headers are the channel.
func (ch *channel) data() []byte {
	ch.sequence++
	return append(ch.append(make([]byte, 0, eventSize), event{
		name: eventData, source: fromConnect,
		extra: []line{
			{"Content-Type", "command/reply"}, {"Reply-Text", "+OK\n"},
			{"Socket-Mode", "async"}, {"Control", "full"},
		},
	}), '\n')
}
