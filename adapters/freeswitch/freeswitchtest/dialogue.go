package freeswitchtest

import (
	"fmt"
	"strings"
)

// answerLocked does a command and gives the text of the reply.
func (l *listener) answerLocked(c command) string {
	if strings.HasPrefix(c.verb, "exit") {
		l.over, l.exited = true, true
		return l.reply("+OK bye")
	}
	if !l.authed {
		return l.reply("%s", l.authLocked(c))
	}
	switch c.verb {
	case "api":
		if c.rest == "" {
			break
		}
		answer := l.sw.apiLocked(c.rest)
		l.wire.send(fmt.Appendf(nil, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(answer), answer))
		return answer
	case "bgapi":
		if c.rest == "" {
			break
		}
		return l.backgroundLocked(c)
	case "sendevent":
		return l.reply("+OK %s", l.sw.relayLocked(c))
	case "filter":
		if c.rest != "" {
			return l.reply("%s", l.wanted.filters.command(c.rest))
		}
	case "nixevent":
		return l.reply("%s", l.wanted.nix(strings.Fields(c.rest)))
	case "noevents":
		return l.reply("%s", l.wanted.none())
	case "linger", "nolinger":
		return l.reply("-ERR not controlling a session")
	case "nolog":
		return l.reply("-ERR not loging") // spelled like this
	case "sendmsg":
		if l.sw.calls[c.rest] == nil {
			return l.reply("-ERR invalid session id [%s]", c.rest)
		}
		return l.reply("+OK")
	default:
		if strings.HasPrefix(c.verb, "event") {
			return l.reply("%s", l.wanted.event(strings.Fields(c.rest)))
		}
	}
	return l.reply("-ERR command not found")
}

// authLocked takes the password. Nothing else is heard before it.
func (l *listener) authLocked(c command) string {
	password := l.sw.Password
	if password == "" {
		password = "ClueCon"
	}
	switch {
	case c.verb != "auth" || c.rest == "":
		return "-ERR command not found"
	case c.rest != password:
		l.over = true
		return "-ERR invalid"
	}
	l.authed = true
	return "+OK accepted"
}

// withoutPassword shows a command.
func withoutPassword(text string) string {
	switch c := parseCommand(text); c.verb {
	case "auth", "userauth":
		return c.verb + " ***"
	}
	return text
}

// backgroundLocked does an api command and tells its answer with an event.
func (l *listener) backgroundLocked(c command) string {
	job := c.get("job-uuid")
	if job == "" {
		job = newUUID()
	}
	l.reply("+OK Job-UUID: %s\nJob-UUID: %s", job, job)
	name, arg, hasArg := strings.Cut(c.rest, " ")
	answer := l.sw.apiLocked(c.rest)
	extra := []line{{"Job-UUID", job}, {"Job-Command", name}}
	if hasArg {
		extra = append(extra, line{"Job-Command-Arg", arg})
	}
	core, sequence := l.sw.idLocked(), l.sw.nextLocked()
	l.sw.publishLocked(&message{name: eventJob, body: answer, build: func() []byte {
		dst := appendOrigin(appendLine(nil, "Event-Name", eventJob), core, fromJob, sequence)
		return appendLines(dst, extra)
	}})
	return answer
}

// relayLocked fires an event that a program has made and gives its id.
func (s *Switch) relayLocked(c command) string {
	id, name := newUUID(), "CLONE"
	if n, ok := eventName(c.rest); ok {
		name = n
	}
	core, sequence := s.idLocked(), s.nextLocked()
	subclass := ""
	if name == eventCustom {
		subclass = c.get("event-subclass")
	}
	s.publishLocked(&message{name: name, subclass: subclass, build: func() []byte {
		var dst []byte
		if subclass != "" {
			dst = appendLine(dst, "Event-Subclass", subclass)
		}
		dst = appendLine(dst, "Command", "sendevent "+c.rest)
		for _, f := range c.fields {
			if f.name != "event-subclass" || subclass == "" {
				dst = appendLine(dst, f.spelled, f.value)
			}
		}
		dst = appendLine(dst, "Event-UUID", id)
		dst = appendLine(dst, "Event-Name", name)
		return appendOrigin(dst, core, fromRelay, sequence)
	}})
	return id
}
