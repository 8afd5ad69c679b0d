package freeswitchtest

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
)

const invalidUUID = "-ERR invalid uuid\n"

// usage tells how the api commands are to be written.
var usage = map[string]string{
	"uuid_dump":         "<uuid> [format]",
	"uuid_setvar":       "<uuid> <var> [value]",
	"uuid_setvar_multi": "<uuid> <var>=<value>;<var>=<value>...",
	"uuid_broadcast":    "<uuid> <path> [aleg|bleg|holdb|both]",
	"uuid_break":        "<uuid> [all]",
	"uuid_kill":         "<uuid> [cause]",
	"uuid_park":         "<uuid>",
	"uuid_transfer":     "<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]",
	"show": "codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|" +
		"calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|" +
		"say|interfaces|interface_types|tasks|limits|status",
}

// apiLocked answers a command of the switch's api.
func (s *Switch) apiLocked(text string) string {
	name, args, _ := strings.Cut(text, " ")
	verb := strings.ToLower(name)
	var answer string
	switch verb {
	case "uuid_exists":
		return pick(s.calls[args] != nil, "true", "false")
	case "module_exists":
		return pick(slices.Contains(s.Modules, args), "true", "false")
	case "xml_locate":
		return s.locateLocked(args)
	case "file_exists": // of any kind, by a name that stands for no other
		_, err := os.Stat(strings.Trim(args, " "))
		return pick(args != "" && err == nil, "true", "false")
	case "global_getvar":
		answer = s.global(strings.Trim(args, " "))
	case "version":
		return pick(args == "short", switchVersion+"-release\n", "FreeSWITCH Version "+switchVersion+"-release~64bit ( 64bit)\n")
	case "show":
		answer = s.showLocked(args)
	case "uuid_setvar_multi":
		answer = s.setMultiLocked(args)
	case "uuid_dump", "uuid_setvar", "uuid_broadcast", "uuid_break", "uuid_kill", "uuid_park", "uuid_transfer":
		answer = s.steerLocked(verb, args)
	default:
		return fmt.Sprintf("-ERR %s Command not found!\n", name)
	}
	if answer == "" {
		return "-ERR no reply\n"
	}
	return answer
}

// apiWords is how many words a command takes. The last one takes the rest.
var apiWords = map[string]struct{ least, most int }{
	"uuid_dump": {1, 2}, "uuid_setvar": {2, 3}, "uuid_broadcast": {2, 4}, "uuid_break": {1, 2},
	"uuid_kill": {1, 2}, "uuid_park": {1, 1}, "uuid_transfer": {2, 5},
}

// steerLocked does what is to be done with one call.
func (s *Switch) steerLocked(verb, args string) string {
	words := separate(args, ' ', apiWords[verb].most)
	if len(words) < apiWords[verb].least {
		return usageOf(verb)
	}
	w := s.calls[words[0]]
	if w == nil {
		return pick(verb == "uuid_broadcast", invalidUUID, noSuchChannel)
	}
	words = append(words, "", "", "", "")
	switch verb {
	case "uuid_dump":
		w.ch.core, w.ch.sequence = s.idLocked(), s.nextLocked()
		if words[1] == "json" {
			return w.ch.dumpJSON()
		}
		return w.ch.dump()
	case "uuid_setvar":
		w.setVarLocked(words[1], words[2])
	case "uuid_broadcast":
		w.broadcastLocked(words[1], words[2])
		return "+OK Message sent\n"
	case "uuid_break":
		w.breakInLocked(words[1])
	case "uuid_kill":
		w.killLocked(words[1])
	case "uuid_park":
		w.atLocked(frameTime, w.putAsideLocked)
	case "uuid_transfer":
		w.transferToLocked(words[1], words[2], words[3])
	}
	return "+OK\n"
}

// setMultiLocked sets several variables of one call.
func (s *Switch) setMultiLocked(args string) string {
	const verb = "uuid_setvar_multi"
	id, list, ok := strings.Cut(args, " ")
	w := s.calls[id]
	switch {
	case args == "":
		return usageOf(verb)
	case !ok:
		return ""
	case w == nil:
		return noSuchChannel + usageOf(verb)
	}
	answer, set := "", false
	for _, a := range assignments(verb, list) {
		name, value, _ := strings.Cut(a, "=")
		if name == "" {
			answer += "-ERR No variable specified\n"
			continue
		}
		w.setVarLocked(name, value)
		set = true
	}
	if set {
		return answer + "+OK\n"
	}
	return answer + usageOf(verb)
}

func usageOf(verb string) string { return "-USAGE: " + usage[verb] + "\n" }

// switchVersion is that of the switch which was measured.
const switchVersion = "1.10.12"

// soundsDir is where a switch has its sounds that was not told otherwise.
const soundsDir = "/usr/share/freeswitch/sounds"

// global gives a variable of the switch itself, "" where it has none.
func (s *Switch) global(name string) string {
	if value, ok := s.Globals[name]; ok {
		return value
	}
	return map[string]string{"sound_prefix": soundsDir, "sounds_dir": soundsDir}[name]
}

// locateLocked gives a part of the configuration: all of the dialplan or one context, the
// settings of the event socket, or a language, which is there when its say module is.
func (s *Switch) locateLocked(args string) string {
	const nothing = "can't find anything\n"
	words := strings.Fields(args)
	switch {
	case len(words) != 1 && len(words) != 4:
		return "-ERR bad args\n"
	case args == "dialplan":
		contexts := slices.Sorted(maps.Keys(s.Contexts))
		if s.Contexts == nil {
			contexts = []string{"default", "public"}
		}
		var b strings.Builder
		for _, name := range contexts {
			b.WriteString(s.context(name))
		}
		return "<section name=\"dialplan\">\n" + b.String() + "</section>\n"
	case args == "configuration configuration name event_socket.conf":
		return s.settingsLocked()
	case strings.HasPrefix(args, "languages language name ") && slices.Contains(s.Modules, "mod_say_"+words[3]):
		return fmt.Sprintf("<language name=%q say-module=%[1]q sound-prefix=%q>\n    <phrases>\n    <macros></macros>\n\n  </phrases>\n\n</language>\n", words[3], s.global("sound_prefix"))
	case strings.HasPrefix(args, "dialplan context name "):
		return cmp.Or(s.context(words[3]), nothing)
	}
	return nothing
}

// context gives a context of the dialplan, "" where there is none.
func (s *Switch) context(name string) string {
	inside := `<extension name="any"><condition field="destination_number" expression="^.*$"></condition></extension>`
	if s.Contexts != nil {
		if inside = s.Contexts[name]; inside == "" {
			return ""
		}
	}
	return fmt.Sprintf("<context name=%q>\n%s\n</context>\n", name, inside)
}

// settingsLocked gives the file of the event socket, with its password.
func (s *Switch) settingsLocked() string {
	_, port, _ := net.SplitHostPort(s.addr)
	settings := map[string]string{
		"nat-map": "false", "listen-ip": "127.0.0.1", "listen-port": cmp.Or(port, "8021"), "password": cmp.Or(s.Password, "ClueCon"),
	}
	maps.Copy(settings, s.Settings)
	var b strings.Builder
	b.WriteString("<configuration name=\"event_socket.conf\">\n    <settings>\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "        <param name=%q value=%q></param>\n\n", name, settings[name])
	}
	b.WriteString("  </settings>\n\n</configuration>\n")
	return b.String()
}
