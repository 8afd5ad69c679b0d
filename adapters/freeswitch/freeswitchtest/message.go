package freeswitchtest

import (
	"strconv"
	"strings"
)

// A message is one event on its way to the connections that want it. Its
// bytes are made once, and only if somebody does.
type message struct {
	name, subclass string
	build          func() []byte // the headers as encoded lines
	body           string

	lines       string
	plain, json []byte
}

func (m *message) text() string {
	if m.lines == "" {
		m.lines = string(m.build())
	}
	return m.lines
}

// header gives a value as filters see it.
func (m *message) header(name string) (string, bool) {
	switch {
	case strings.EqualFold(name, "Event-Name"):
		return m.name, true
	case strings.EqualFold(name, "Event-Subclass"):
		return m.subclass, m.subclass != ""
	}
	return headerIn(m.text(), name)
}

// frame gives the message as a connection has it.
func (m *message) frame(format string) []byte {
	if format == "json" {
		if m.json == nil {
			m.json = eventFrame("json", m.object())
		}
		return m.json
	}
	if m.plain == nil {
		end := "\n"
		if m.body != "" {
			end = "Content-Length: " + strconv.Itoa(len(m.body)) + "\n\n" + m.body
		}
		m.plain = eventFrame("plain", []byte(m.text()+end))
	}
	return m.plain
}

// object gives the message as JSON, where values are not percent-encoded.
func (m *message) object() []byte {
	dst := append(make([]byte, 0, eventSize), '{')
	add := func(name, value string) {
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = appendString(append(appendString(dst, name), ':'), value)
	}
	for line := range strings.Lines(m.text()) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		add(name, decoded(value))
	}
	if m.body != "" {
		add("Content-Length", strconv.Itoa(len(m.body)))
		add("_body", m.body)
	}
	return append(dst, '}')
}

// appendString writes a JSON string as FreeSWITCH does: what is not ASCII
// stays as it is, even if it is not UTF-8.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ':
			dst = append(dst, c)
		default:
			if short := strings.IndexByte("\b\f\n\r\t", c); short >= 0 {
				dst = append(dst, '\\', "bfnrt"[short])
				continue
			}
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		}
	}
	return append(dst, '"')
}
