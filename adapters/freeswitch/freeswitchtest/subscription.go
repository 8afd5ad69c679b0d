package freeswitchtest

import (
	"slices"
	"strings"
)

// A subscription is what one connection wants to hear.
type subscription struct {
	listening  bool
	format     string // empty for plain
	names      map[string]bool
	all        bool // every name, and every subclass with them
	subclasses map[string]bool
	anyClass   bool
	filters    filters
}

// wants tells whether an event goes to the connection.
func (s *subscription) wants(m *message) bool {
	switch {
	case !s.listening:
		return false
	case s.all:
	case !s.names[m.name]:
		return false
	case m.name == eventCustom && m.subclass != "" && !s.anyClass && !s.subclasses[m.subclass]:
		return false
	}
	return s.filters.pass(m.header)
}

// event subscribes and gives the reply. After CUSTOM every word is a subclass.
func (s *subscription) event(words []string) string {
	if len(words) > 0 {
		if f := strings.ToLower(words[0]); slices.Contains(eventFormats, f) {
			s.format, words = f, words[1:]
		}
	}
	names, classes := eventWords(words)
	if len(names) == 0 {
		return "-ERR no keywords supplied"
	}
	if s.names == nil {
		s.names, s.subclasses = map[string]bool{}, map[string]bool{}
	}
	for _, n := range names {
		s.names[n] = true
		if n == eventAll {
			s.all, s.anyClass = true, true
		}
	}
	for _, c := range classes {
		s.subclasses[c] = true
	}
	s.listening = true
	return "+OK event listener enabled " + pick(s.format == "", "plain", s.format)
}

// nix takes events out again.
func (s *subscription) nix(words []string) string {
	names, classes := eventWords(words)
	if len(names) == 0 {
		return "-ERR no keywords supplied"
	}
	for _, n := range names {
		switch {
		case n == eventAll:
			s.all, s.names = false, map[string]bool{}
			continue
		case n == eventCustom:
			continue // only the subclasses that follow
		case s.all:
			s.all, s.names = false, map[string]bool{}
			for _, other := range eventNames {
				s.names[other] = other != eventAll
			}
		}
		delete(s.names, n)
	}
	for _, c := range classes {
		delete(s.subclasses, c)
	}
	s.listening = true
	return "+OK events nixed"
}

// none takes all events out. The filters stay.
func (s *subscription) none() string {
	if !s.listening {
		return "-ERR not listening for events"
	}
	*s = subscription{format: s.format, filters: s.filters}
	return "+OK no longer listening for events"
}

// eventWords gives the names and the subclasses. Unknown names are passed over.
func eventWords(words []string) (names, classes []string) {
	for i, w := range words {
		n, ok := eventName(w)
		if !ok {
			continue
		}
		names = append(names, n)
		if n == eventCustom {
			return names, words[i+1:]
		}
	}
	return names, nil
}
