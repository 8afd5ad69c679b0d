package freeswitchtest

import "strings"

// FreeSWITCH encodes the bytes of unsafe, and all that are not printable
// ASCII. The rest stays, the + among the encoded: it never stands for space.
const (
	unsafe   = "\r\n \"#%&+:;<=>?@[\\]^`{|}"
	hexDigit = "0123456789ABCDEF"
)

// isEncoded tells of every byte whether it is encoded: an event asks for thousands.
var isEncoded = func() (all [256]bool) {
	for i := range all {
		b := byte(i)
		all[i] = b <= ' ' || b > '~' || strings.IndexByte(unsafe, b) >= 0
	}
	return all
}()

func appendEncoded(dst []byte, s string) []byte {
	for i := range len(s) {
		b := s[i]
		if isEncoded[b] {
			dst = append(dst, '%', hexDigit[b>>4], hexDigit[b&15])
			continue
		}
		dst = append(dst, b)
	}
	return dst
}

func encoded(s string) string { return string(appendEncoded(nil, s)) }

func decoded(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi := strings.IndexByte(hexDigit, s[i+1])
			lo := strings.IndexByte(hexDigit, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
