package freeswitchtest

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// maxCommand is far above anything sensible: it keeps a peer that never ends
// a command from filling the memory.
const maxCommand = 1 << 20

var errCommandTooLong = errors.New("a command without end")

// A commandReader cuts a stream of bytes into commands.
type commandReader struct{ buf []byte }

// feed adds bytes and gives the commands that are complete now, without the
// empty lines that end them.
func (r *commandReader) feed(p []byte) ([]string, error) {
	r.buf = append(r.buf, p...)
	var commands []string
	for {
		text, n := nextCommand(r.buf)
		if n == 0 {
			break
		}
		if text != "" {
			commands = append(commands, text)
		}
		r.buf = r.buf[n:]
	}
	switch {
	case len(r.buf) == 0:
		r.buf = nil // a call that only waits keeps nothing
	case len(r.buf) > maxCommand:
		return commands, errCommandTooLong
	}
	return commands, nil
}

// nextCommand gives the first command and how many bytes it takes, 0 if it
// is not complete. Empty lines before a command are a command without text.
func nextCommand(buf []byte) (string, int) {
	for start := 0; ; {
		i := bytes.IndexByte(buf[start:], '\n')
		if i < 0 {
			return "", 0
		}
		end := start + i + 1
		if len(bytes.Trim(buf[start:end], "\r\n")) > 0 {
			start = end
			continue
		}
		head := cutLines(string(buf[:start]))
		n := bodyLength(head)
		if n == 0 {
			return head, end
		}
		if len(buf) < end+n {
			return "", 0
		}
		return head + "\n\n" + string(buf[end:end+n]), end + n
	}
}

// cutLines gives the lines of a command as the switch sees them. While there is a
// CR ahead, that ends the line, and what is between it and the end of the line
// that was meant is lost: a command of several lines that ends with CR LF must
// have it everywhere.
func cutLines(head string) string {
	var lines []string
	for head != "" {
		end := strings.IndexByte(head, '\r')
		if end < 0 {
			end = strings.IndexByte(head, '\n')
		}
		if end < 0 {
			end = len(head)
		}
		line, _, _ := strings.Cut(head[:end], "\n")
		lines = append(lines, line)
		head = strings.TrimLeft(head[end:], "\r\n")
	}
	return strings.Join(lines, "\n")
}

func bodyLength(head string) int {
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "content-length") {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 && n <= maxCommand {
			return n
		}
	}
	return 0
}

// A command is one that was taken apart.
type command struct {
	verb   string // in lower case
	rest   string // the rest of the first line
	fields []field
	body   string
}

// A field has its name in lower case and as it was spelled.
type field struct{ name, value, spelled string }

func parseCommand(text string) command {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	verb, rest, _ := strings.Cut(strings.TrimRight(lines[0], "\r"), " ")
	c := command{verb: strings.ToLower(verb), rest: strings.TrimSpace(rest), body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r"), ":")
		c.fields = append(c.fields, field{strings.ToLower(name), strings.TrimLeft(value, " "), name})
	}
	return c
}

func (c command) get(name string) string {
	for _, f := range c.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// application gives what a sendmsg executes.
func (c command) application() (name, arg string) {
	name, arg = c.get("execute-app-name"), c.get("execute-app-arg")
	if arg == "" {
		arg = c.body
	}
	return name, arg
}

// assignments takes the argument of set or multiset apart, or that of
// uuid_setvar_multi with its ";".
func assignments(app, arg string) []string {
	switch {
	case app == "set":
		return []string{arg}
	case app == "uuid_setvar_multi":
		return separate(arg, ';', 64)
	case strings.HasPrefix(arg, "^^") && len(arg) > 2:
		return strings.Split(arg[3:], arg[2:3])
	}
	return strings.Fields(arg)
}
