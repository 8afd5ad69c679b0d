package freeswitchtest

import (
	"fmt"
	"slices"
	"strings"
)

// CheckInbound tells what is wrong with one command to the port that programs
// dial, without the empty line that ends it. Nothing means that it is accepted
// and does no harm.
func CheckInbound(text string) []string {
	found, c := checkForm(text)
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	switch c.verb {
	case "sendevent", "bgapi":
	default:
		if len(c.fields) > 0 {
			add("%s with more than one line", c.verb)
		}
	}
	switch c.verb {
	case "auth":
		if c.rest == "" {
			add("auth without a password")
		}
	case "exit", "noevents":
	case "event", "events", "nixevent":
		checkEvents(c, add)
	case "filter":
		checkFilter(c.rest, add)
	case "sendevent":
		checkRelay(c, add)
	case "api", "bgapi":
		checkAPI(c.rest, add)
	default:
		add("unknown command %q", c.verb)
	}
	return found
}

// checkEvents looks for what the switch passes over or misunderstands.
func checkEvents(c command, add func(string, ...any)) {
	words := strings.Fields(c.rest)
	if len(words) > 0 && c.verb != "nixevent" && slices.Contains(eventFormats, strings.ToLower(words[0])) {
		if strings.EqualFold(words[0], "xml") {
			add("events as XML are not played")
		}
		words = words[1:]
	}
	if len(words) == 0 {
		add("%s without events", c.verb)
	}
	for i, w := range words {
		name, ok := eventName(w)
		switch {
		case !ok:
			add("there is no event %q", w)
		case name == eventCustom:
			checkSubclasses(words[i+1:], add)
			return
		}
	}
}

func checkSubclasses(words []string, add func(string, ...any)) {
	if len(words) == 0 {
		add("CUSTOM without a subclass means nearly nothing")
	}
	for _, w := range words {
		if _, ok := eventName(w); ok {
			add("%s after CUSTOM is the name of a subclass", w)
		}
	}
}

func checkFilter(rest string, add func(string, ...any)) {
	words := strings.Fields(rest)
	remove := len(words) > 0 && strings.EqualFold(words[0], "delete")
	if remove || len(words) > 0 && strings.EqualFold(words[0], "add") {
		words = words[1:]
	}
	switch {
	case len(words) == 0 || len(words) == 1 && !remove:
		add("filter without a header and a value")
	case len(words) > 1 && strings.HasPrefix(words[1], "/"):
		add("a filter with a regular expression is not played")
	case len(words) > 1 && strings.HasPrefix(words[1], "+"):
		add("a filter that begins with + never matches the +")
	}
}

func checkRelay(c command, add func(string, ...any)) {
	name, ok := eventName(c.rest)
	switch {
	case !ok:
		add("there is no event %q", c.rest)
	case name == eventCustom && c.get("event-subclass") == "":
		add("a CUSTOM event without Event-Subclass")
	}
	if c.get("unique-id") != "" {
		add("an event with Unique-ID goes to that call and to nobody else")
	}
	if c.body != "" {
		add("an event with a body is not played")
	}
}

// checkAPI looks at the commands that are played and at their arguments.
func checkAPI(text string, add func(string, ...any)) {
	name, args, _ := strings.Cut(text, " ")
	if name == "show" {
		if _, ok := shows[args]; !ok {
			add("show with %q", args)
		}
		return
	}
	if fit, ok := lookups[name]; ok {
		if !fit(args, strings.Fields(args)) {
			add("%s with %q", name, args)
		}
		return
	}
	if !slices.Contains(inboundAPI, name) {
		add("unknown api command %q", name)
		return
	}
	words := separate(args, ' ', 8)
	if len(words) == 0 || !goodUUID(words[0]) {
		add("%s without a uuid", name)
		return
	}
	words = words[1:]
	switch name {
	case "uuid_exists", "uuid_dump", "uuid_park":
		if len(words) > 0 && (name != "uuid_dump" || words[0] != "json") {
			add("%s with %q behind the uuid", name, words[0])
		}
	case "uuid_setvar":
		if len(words) == 0 || !goodName(words[0]) {
			add("uuid_setvar without the name of a variable")
		}
	case "uuid_setvar_multi":
		checkAssignments(args, add)
	case "uuid_broadcast":
		checkBroadcast(words, add)
	case "uuid_break":
		if len(words) > 0 && words[0] != "all" {
			add("uuid_break with %q", words[0])
		}
	case "uuid_kill":
		if len(words) > 1 || len(words) == 1 && strings.ToUpper(words[0]) != words[0] {
			add("uuid_kill with %q", strings.Join(words, " "))
		}
	case "uuid_transfer":
		checkTarget(words, add)
	}
}

// lookups are the commands that ask for what is no call's, and how they are well written.
var lookups = map[string]func(args string, words []string) bool{
	"module_exists": func(_ string, words []string) bool { return len(words) == 1 },
	"global_getvar": func(args string, words []string) bool { return len(words) == 1 && goodName(args) },
	"file_exists":   func(args string, _ []string) bool { return strings.HasPrefix(args, "/") },
	"version":       func(args string, _ []string) bool { return args == "" || args == "short" },
	"xml_locate": func(args string, words []string) bool {
		return args == "dialplan" || args == "configuration configuration name event_socket.conf" ||
			len(words) == 4 && slices.Contains([]string{"dialplan context name", "languages language name"}, strings.Join(words[:3], " "))
	},
}

var inboundAPI = []string{
	"uuid_break", "uuid_broadcast", "uuid_dump", "uuid_exists", "uuid_kill", "uuid_park", "uuid_setvar",
	"uuid_setvar_multi", "uuid_transfer",
}

func checkAssignments(args string, add func(string, ...any)) {
	_, list, _ := strings.Cut(args, " ")
	parts := assignments("uuid_setvar_multi", list)
	if len(parts) == 0 {
		add("uuid_setvar_multi sets nothing")
	}
	for _, a := range parts {
		if name, _, ok := strings.Cut(a, "="); !ok || !goodName(name) {
			add("uuid_setvar_multi does not set a variable with %q", a)
		}
	}
}

func checkBroadcast(words []string, add func(string, ...any)) {
	if len(words) != 2 || words[1] != "aleg" {
		add("uuid_broadcast: want a uuid, what to play and aleg")
		return
	}
	app, arg, ok := strings.Cut(words[0], "::")
	if !ok {
		app, arg = "playback", words[0]
	}
	switch app {
	case "playback", "say":
		checkApplication(app, arg, add)
	default:
		add("uuid_broadcast runs the application %q", app)
	}
}

// checkTarget wants an extension, perhaps a dialplan and a context.
func checkTarget(words []string, add func(string, ...any)) {
	if len(words) == 0 || len(words) > 3 {
		add("uuid_transfer: want an extension, a dialplan and a context")
	}
	for _, w := range words {
		if strings.HasPrefix(w, "-") || strings.ContainsFunc(w, func(r rune) bool { return !strings.ContainsRune(targetRunes, r) }) {
			add("uuid_transfer to %q", w)
		}
	}
}

const targetRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+*#@-"

// goodUUID wants an id of the switch, or a Call-ID of SIP without the characters
// that mean something in a command.
func goodUUID(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+~()<>:/[]?@=", r)
	})
}
