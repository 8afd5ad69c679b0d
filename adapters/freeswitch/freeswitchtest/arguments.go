package freeswitchtest

import "strings"

// separate cuts the arguments of an api command as FreeSWITCH does: '...'
// keeps delimiters together, a backslash escapes, and the last of max parts
// takes what is left. A string that begins with ^^ brings its own delimiter.
func separate(s string, delim byte, max int) []string {
	if own, ok := strings.CutPrefix(s, "^^"); ok && len(own) > 1 {
		delim, s = own[0], own[1:]
	}
	var parts []string
	quoted, start := false, 0
	cut := func(end int) { parts = append(parts, unquoted(s[start:end], delim)) }
	for i := 0; i < len(s); i++ {
		switch {
		case len(parts) == max-1 || delim == ' ' && s[i] == ' ' && strings.Trim(s[start:i], " ") == "":
			continue
		case s[i] == '\\':
			i++
		case s[i] == '\'' && (quoted || delim == ' ' || strings.IndexByte(s[i+1:], '\'') >= 0):
			quoted = !quoted
		case s[i] == delim && !quoted:
			cut(i)
			for delim == ' ' && i+1 < len(s) && s[i+1] == ' ' {
				i++
			}
			start = i + 1
		}
	}
	if start < len(s) {
		cut(len(s))
	}
	return parts
}

// unquoted takes quotes and backslashes away, and the blanks around.
func unquoted(s string, delim byte) string {
	var out []byte
	quoted, end := false, 0
	s = strings.TrimLeft(s, " ")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && escaped(s[i+1], delim) != 0:
			i++
			out = append(out, escaped(s[i], delim))
			end = len(out)
		case c == '\'' && (quoted || strings.IndexByte(s[i+1:], '\'') >= 0):
			quoted = !quoted
			if quoted {
				end = len(out)
			}
		default:
			out = append(out, c)
			if c != ' ' || quoted {
				end = len(out)
			}
		}
	}
	return string(out[:end])
}

// escaped is what a backslash makes of the byte behind it, 0 if nothing.
func escaped(c, delim byte) byte {
	switch {
	case c == 'n':
		return '\n'
	case c == 'r':
		return '\r'
	case c == 't':
		return '\t'
	case c == 's':
		return ' '
	case c == '\'' || c == '"' || c == '\\' || c == delim && delim != ' ':
		return c
	}
	return 0
}
