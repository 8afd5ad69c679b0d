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
	first  []line // before everything about the channel
	extra  []line // after everything else
	bare   bool   // without variables

	subclass string // of a CUSTOM event
	profile  bool   // the caller's profile twice, as connect has it
}

type line struct{ name, value string } // a raw value

// A source is the place in the switch that fires an event.
type source struct {
	file, function string
	line           int
}

var (
	fromConnect     = source{"mod_event_socket.c", "parse_command", 2021}
	fromExecute     = source{"switch_core_session.c", "switch_core_session_exec", 2944}
	fromComplete    = source{"switch_core_session.c", "switch_core_session_exec", 2967}
	fromAnswer      = source{"switch_channel.c", "switch_channel_perform_mark_answered", 3846}
	fromHangup      = source{"switch_channel.c", "switch_channel_perform_hangup", 3445}
	fromState       = source{"switch_channel.c", "switch_channel_perform_set_running_state", 2408}
	fromDTMF        = source{"switch_channel.c", "switch_channel_dequeue_dtmf", 677}
	fromPark        = source{"switch_ivr.c", "switch_ivr_park", 1213}
	fromParked      = source{"switch_ivr.c", "switch_ivr_park", 1002}
	fromDump        = source{"mod_commands.c", "uuid_dump_function", 6468}
	fromApp         = source{"mod_dptools.c", "event_function", 1902}
	fromRelay       = source{"mod_event_socket.c", "parse_command", 2275}
	fromJob         = source{"mod_event_socket.c", "api_exec", 1572}
	fromBridge      = source{"switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1689}
	fromSoftExecute = source{"switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1236}
	fromUnbridge    = source{"switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1879}
	fromPlay        = source{"switch_ivr_play_say.c", "switch_ivr_play_file", 1646}
	fromStop        = source{"switch_ivr_play_say.c", "switch_ivr_play_file", 2020}
	fromFifo        = source{"mod_fifo.c", "fifo_function", 3224}
	fromReport      = source{"switch_core_state_machine.c", "switch_core_session_reporting_state", 943}
)

const (
	eventData     = "CHANNEL_DATA"
	eventHangup   = "CHANNEL_HANGUP"
	eventReport   = "CHANNEL_HANGUP_COMPLETE"
	eventExecute  = "CHANNEL_EXECUTE"
	eventComplete = "CHANNEL_EXECUTE_COMPLETE"
	eventCustom   = "CUSTOM"
	eventBridge   = "CHANNEL_BRIDGE"
	eventJob      = "BACKGROUND_JOB"
)

// append writes the headers of an event, without the empty line at the end.
func (ch *channel) append(dst []byte, e event) []byte {
	switch {
	case e.name == eventCustom && e.source != fromFifo: // the name is set a second time
		dst = appendLine(dst, "Event-Subclass", e.subclass)
		dst = appendOrigin(dst, ch.core, e.source, ch.sequence)
		dst = appendLine(dst, "Event-Name", e.name)
	case e.name == eventCustom:
		dst = appendLine(dst, "Event-Subclass", e.subclass)
		fallthrough
	default:
		dst = appendLine(dst, "Event-Name", e.name)
		dst = appendOrigin(dst, ch.core, e.source, ch.sequence)
	}
	if e.name == eventReport {
		dst = appendLine(dst, "Hangup-Cause", ch.cause)
	}
	dst = appendLines(dst, e.first)
	if e.profile {
		dst = ch.appendHeaders(dst, "Channel-", tmpl.profile)
	}
	dst = ch.appendHeaders(dst, "", tmpl.state)
	dst = ch.appendHeaders(dst, "Caller-", tmpl.profile)
	if ch.agent != nil {
		dst = ch.appendHeaders(dst, "Other-", ch.agent.other)
	}
	if !e.bare {
		dst = ch.vars.append(dst, ch.fill)
	}
	return appendLines(dst, e.extra)
}

// appendOrigin writes where an event comes from.
func appendOrigin(dst []byte, core string, from source, sequence int) []byte {
	dst = appendLine(dst, "Core-UUID", core)
	for _, h := range tmpl.core {
		dst = h.append(dst, "", nil)
	}
	now := time.Now().UTC()
	dst = appendLine(dst, "Event-Date-Local", now.Format("2006-01-02 15:04:05"))
	dst = appendLine(dst, "Event-Date-GMT", now.Format("Mon, 02 Jan 2006 15:04:05")+" GMT")
	dst = appendLine(dst, "Event-Date-Timestamp", strconv.FormatInt(now.UnixMicro(), 10))
	dst = appendLine(dst, "Event-Calling-File", from.file)
	dst = appendLine(dst, "Event-Calling-Function", from.function)
	dst = appendLine(dst, "Event-Calling-Line-Number", strconv.Itoa(from.line))
	return appendLine(dst, "Event-Sequence", strconv.Itoa(sequence))
}

func (ch *channel) appendHeaders(dst []byte, prefix string, headers []header) []byte {
	for _, h := range headers {
		dst = h.append(dst, prefix, ch.fill)
	}
	return dst
}

func appendLines(dst []byte, lines []line) []byte {
	for _, l := range lines {
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

// eventHead comes before an event on the socket.
func eventHead(format string, length int) []byte {
	return []byte("Content-Length: " + strconv.Itoa(length) + "\nContent-Type: text/event-" + format + "\n\n")
}

// eventFrame gives an event as the socket has it.
func eventFrame(format string, body []byte) []byte {
	return append(eventHead(format, len(body)), body...)
}

// appendData writes the answer to connect: a reply whose headers are the channel.
func (ch *channel) appendData(dst []byte) []byte {
	ch.sequence++
	return append(ch.append(dst, event{
		name: eventData, source: fromConnect, profile: true,
		extra: []line{
			{"Content-Type", "command/reply"}, {"Reply-Text", "+OK\n"},
			{"Socket-Mode", pick(ch.async, "async", "static")}, {"Control", pick(ch.full, "full", "single-channel")},
		},
	}), '\n')
}
