package esl

import "bytes"

// findHeader returns the raw value of the first header with this name in a
// block of header lines, which ends at an empty line or at its end. It visits
// each line but looks at a name only where its colon is in the right place.
func findHeader(block []byte, name string) (value []byte, ok bool) {
	n := len(name)
	for len(block) > 0 {
		line := block
		if i := bytes.IndexByte(block, '\n'); i >= 0 {
			line, block = block[:i], block[i+1:]
		} else {
			block = nil
		}
		if len(line) > n {
			if line[n] == ':' && n > 0 && equalFold(line[:n], name) {
				return headerValue(line[n+1:]), true
			}
		} else if len(line) == 0 || line[0] == '\r' {
			return nil, false
		}
	}
	return nil, false
}

// headerValue returns what follows the colon without leading blanks and
// without the CR of a CRLF.
func headerValue(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// equalFold compares without regard to ASCII case; the lengths are equal. It begins at
// the end, because names of headers have their beginnings in common.
func equalFold(b []byte, s string) bool {
	for i := len(b) - 1; i >= 0; i-- {
		if c, d := b[i], s[i]; c != d && lower(c) != lower(d) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// unescape undoes percent-encoding. A plus stays a plus, and an escape that
// is none stays as it is.
func unescape(v []byte) string {
	i := bytes.IndexByte(v, '%')
	if i < 0 {
		return string(v)
	}
	var small [128]byte
	out := append(small[:0], v[:i]...)
	for i < len(v) {
		if v[i] == '%' && i+2 < len(v) {
			if hi, lo := unhex(v[i+1]), unhex(v[i+2]); hi < 16 && lo < 16 {
				out = append(out, hi<<4|lo)
				i += 3
				continue
			}
		}
		out = append(out, v[i])
		i++
	}
	return string(out)
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// appendEscaped encodes just enough of s for one header line that unescape
// reads back.
func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '%' || c == 0x7f {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
