package freeswitchtest

import (
	"fmt"
	"slices"
	"strings"
)

// filters choose among the events that a connection has subscribed to.
type filters []filter

type filter struct{ header, value string }

// command adds or deletes a filter and gives the reply.
func (f *filters) command(rest string) string {
	name, value, hasValue := strings.Cut(rest, " ")
	switch {
	case strings.EqualFold(name, "delete") && hasValue:
		name, value, _ = strings.Cut(value, " ")
		*f = slices.DeleteFunc(*f, func(o filter) bool {
			return strings.EqualFold(name, "all") ||
				strings.EqualFold(o.header, name) && (value == "" || o.value == value)
		})
		return fmt.Sprintf("+OK filter deleted. [%s][%s]", name, value)
	case strings.EqualFold(name, "add") && hasValue:
		name, value, hasValue = strings.Cut(value, " ")
	}
	if !hasValue {
		return "-ERR invalid syntax"
	}
	*f = append(*f, filter{name, value})
	return fmt.Sprintf("+OK filter added. [%s]=[%s]", name, value)
}

// pass tells whether an event is let through. Any filter that matches one of
// its headers does that. A value that begins with - takes the event out again,
// and the sign itself, like a +, is no part of what is compared.
func (f filters) pass(header func(name string) (string, bool)) bool {
	passes := len(f) == 0
	for _, o := range f {
		value, ok := header(o.header)
		if !ok {
			continue
		}
		want := strings.TrimLeft(o.value, "+- ")
		signs := strings.Trim(o.value[:len(o.value)-len(want)], " ")
		out := strings.HasSuffix(signs, "-")
		if passes && !out || !strings.EqualFold(value, want) {
			continue
		}
		if out {
			return false
		}
		passes = true
	}
	return passes
}

// headerIn finds a header among encoded lines.
func headerIn(lines, name string) (string, bool) {
	for line := range strings.Lines(lines) {
		n, value, ok := strings.Cut(line, ": ")
		if ok && strings.EqualFold(n, name) {
			return decoded(strings.TrimSuffix(value, "\n")), true
		}
	}
	return "", false
}
