package sms

import (
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	gsm, ucs := strings.Repeat, strings.Repeat
	for _, tt := range []struct {
		name, text   string
		count, units int
		ucs2         bool
		foreign      rune
		position     int
	}{
		{"empty", "", 0, 0, false, 0, 0},
		{"short", "Thanks!", 1, 7, false, 0, 0},
		{"all of GSM-7", gsmBasic, 1, 127, false, 0, 0},
		{"extension counts twice", "[€]", 1, 6, false, 0, 0},
		{"160", gsm("a", 160), 1, 160, false, 0, 0},
		{"161", gsm("a", 161), 2, 161, false, 0, 0},
		{"306", gsm("a", 306), 2, 306, false, 0, 0},
		{"307", gsm("a", 307), 3, 307, false, 0, 0},
		{"80 euros", gsm("€", 80), 1, 160, false, 0, 0},
		{"an escape is not cut in two", gsm("a", 152) + "€" + gsm("a", 152), 3, 306, false, 0, 0},
		{"a curly quote", "don’t", 1, 5, true, '’', 4},
		{"backquote", "`", 1, 1, true, '`', 1},
		{"lower-case c with cedilla", "ç", 1, 1, true, 'ç', 1}, // GSM-7 has only the capital
		{"70", ucs("я", 70), 1, 70, true, 'я', 1},
		{"71", ucs("я", 71), 2, 71, true, 'я', 1},
		{"134", ucs("я", 134), 2, 134, true, 'я', 1},
		{"135", ucs("я", 135), 3, 135, true, 'я', 1},
		{"35 emoji", ucs("😀", 35), 1, 70, true, '😀', 1},
		{"an emoji is not cut in two", ucs("я", 66) + "😀" + ucs("я", 66), 3, 134, true, 'я', 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := SegmentsOf(tt.text)
			if s.Count != tt.count || s.Units != tt.units || s.UCS2 != tt.ucs2 || s.Foreign != tt.foreign || s.Position != tt.position {
				t.Errorf("%+v, want %+v", s, tt)
			}
		})
	}
}
