package esl

import "strings"

// asked is what has to be known of a command when its reply comes: app is what it
// executes, or asks of the api.
type asked struct{ word, app, uuid string }

// connects reports whether the reply carries the data of the channel.
func (c asked) connects() bool { return c.word == "connect" }

// apis reports whether the reply has a body, unless the switch does not allow it.
func (c asked) apis() bool { return c.word == "api" }

// replyText returns the text of the reply to c, such as "+OK" or "-ERR command not
// found", and whether the switch took the command. For an Execute that says nothing
// about the application, whose end is an event. Only the reply to connect is
// percent-encoded.
func replyText(c asked, f Frame) (text string, ok bool, err error) {
	raw, found := findHeader(f.raw[:f.head], "Reply-Text")
	switch {
	case !found:
		return "", false, fault(KindReply, "no Reply-Text")
	case c.connects():
		text = strings.TrimRight(unescape(raw), "\r\n")
	case string(raw) == "+OK":
		text = "+OK"
	default:
		text = string(raw)
	}
	ok = strings.HasPrefix(text, "+OK")
	if !ok && !strings.HasPrefix(text, "-ERR") {
		return "", false, fault(KindReply, "neither +OK nor -ERR")
	}
	return text, ok, nil
}
