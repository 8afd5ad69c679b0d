package esl

import "strings"

// Reply is the switch's answer to one command.
type Reply struct {
	text  string
	event Event
}

// OK reports whether the switch took the command. For an Execute that says
// nothing about the application, whose end is an event.
func (r Reply) OK() bool { return strings.HasPrefix(r.text, "+OK") }

// Text returns the reply text, such as "+OK" or "-ERR command not found".
func (r Reply) Text() string { return r.text }

// Event returns the channel's data, named ChannelData, if the command was
// Connect and the switch took it; the Event of any other reply is empty.
func (r Reply) Event() Event { return r.event }

// newReply makes the reply to c of a command/reply frame. Only the one to
// connect is percent-encoded.
func newReply(c Command, f Frame) (Reply, error) {
	raw, ok := findHeader(f.raw[:f.head], "Reply-Text")
	if !ok {
		return Reply{}, fault(KindReply, "no Reply-Text")
	}
	var r Reply
	switch {
	case c.word == "connect":
		r.text = strings.TrimRight(unescape(raw), "\r\n")
	case string(raw) == "+OK":
		r.text = "+OK"
	default:
		r.text = string(raw)
	}
	if !r.OK() && !strings.HasPrefix(r.text, "-ERR") {
		return Reply{}, fault(KindReply, "neither +OK nor -ERR")
	}
	if c.word != "connect" || !r.OK() {
		return r, nil
	}
	var err error
	r.event, err = channelData(f)
	return r, err
}
