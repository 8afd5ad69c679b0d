package sms

import "strings"

// Segments is what a text costs: how many messages a carrier makes of it.
type Segments struct {
	Count    int  // messages; 0 for an empty text
	Units    int  // septets of GSM-7, or 16-bit units of UCS-2
	Limit    int  // units that fit into one message
	UCS2     bool // the text holds something that GSM-7 does not have
	Foreign  rune // the first such character
	Position int  // where it is, in characters from 1
}

// The default alphabet of GSM-7 and its extension table, whose characters take two
// septets (3GPP TS 23.038, 6.2.1).
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// What fits into a single message, and into each of several: those lose six octets
// to the header that joins them (3GPP TS 23.040, 9.2.3.24.1).
const (
	gsmSingle, gsmJoined   = 160, 153
	ucs2Single, ucs2Joined = 70, 67
)

// SegmentsOf counts the messages of a text, as LiveDeflect gets it: what
// LivePerson or a carrier adds is not in it.
func SegmentsOf(text string) Segments {
	s := Segments{Limit: gsmSingle}
	joined := gsmJoined
	position := 0
	for _, r := range text {
		position++
		if !strings.ContainsRune(gsmBasic, r) && !strings.ContainsRune(gsmExtension, r) {
			s.UCS2, s.Foreign, s.Position = true, r, position
			s.Limit, joined = ucs2Single, ucs2Joined
			break
		}
	}
	inLast := 0 // units in the last message of several: a character is not cut in two
	for _, r := range text {
		units := 1
		if s.UCS2 && r > 0xffff || !s.UCS2 && strings.ContainsRune(gsmExtension, r) {
			units = 2
		}
		s.Units += units
		if s.Count == 0 || inLast+units > joined {
			s.Count++
			inLast = 0
		}
		inLast += units
	}
	if s.Units <= s.Limit {
		s.Count = min(s.Count, 1)
	}
	return s
}
