package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A brand with many numbers, one a line: 50,000 are as many bytes, and take a second.
func TestManyNumbers(t *testing.T) {
	const n = 2000
	var b strings.Builder
	b.WriteString(frame("dialed:"))
	for i := range n {
		fmt.Fprintf(&b, "      - \"+1404%07d\"   # %s\n", 2_000_000+i, strings.Repeat("shop ", 110))
	}
	if b.Len() < 1<<20 {
		t.Fatalf("only %d bytes", b.Len())
	}
	f, err := Parse("x.yaml", []byte(b.String()), consumer)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(f.FreeSWITCH.Profiles[0].Dialed); got != n {
		t.Errorf("%d numbers", got)
	}
}

// Profiles may share what they have in common.
func TestManyAliases(t *testing.T) {
	var text strings.Builder
	text.WriteString("livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY}\nprofiles:\n")
	for i := range 1000 {
		countries, prompts := "*c", "*p"
		if i == 0 {
			countries = "&c [AT, BE, BG, CY, CZ, DE, DK, EE, ES, FI, FR, GR, HR, HU, IE, IT, LT, LU, LV, MT, NL, PL, PT, RO, SE, SI, SK]"
			prompts = "&p {offer: a.wav, wait: \"\", sent: b.wav, failed: c.wav, uncertain: d.wav, already_sent: e.wav}"
		}
		fmt.Fprintf(&text, "  - {name: p%d, dialed: [\"+180055%05d\"], skill: sales, countries: %s, prompts: %s}\n", i, i, countries, prompts)
	}
	if _, err := Parse("x.yaml", []byte(text.String()), consumer); err != nil {
		t.Fatalf("%.300v", err)
	}
}

// Small files that stand for a lot, and large ones that stand for nothing, are refused
// before they cost much; all of this would take minutes and gigabytes.
func TestBombsAreRefused(t *testing.T) {
	number := `"+18005550100", `
	for _, tt := range []struct{ name, text, want string }{
		{"aliases of a list", frame("dialed: &d ["+strings.Repeat(number, 1000)+"]") + strings.Repeat("  - {name: x, dialed: *d}\n", 10_000), "stands for too many values, by its aliases"},
		{"aliases of aliases", "profiles:\n  - &p {name: a, dialed: [" + strings.Repeat(number, 1000) + "]}\n" + strings.Repeat("  - *p\n", 10_000), "stands for too many values, by its aliases"},
		{"aliases in languages", "profiles:\n  - &p {name: a, languages: {" + strings.Repeat("en: {text: x}, ", 1000) + "}}\n" + strings.Repeat("  - *p\n", 10_000), "problems more: mend these first"},
		{"a billion laughs", "a: &a [x,x,x,x,x,x,x,x,x]\n" + laughs(9) + "profiles: *j\n", "profiles[0]: must hold keys"},
		{"itself", "profiles: &a [*a]\n", "profiles[0]: must hold keys"},
		{"values", "profiles: [" + strings.Repeat("a,", 4<<20) + "]", "holds more than a million values"},
		{"lines", strings.Repeat("\n", 4<<20), "holds more than a million values"},
		{"depth", "profiles: " + strings.Repeat("[", 1<<19), "exceeded max depth"},
		{"unknown keys", "profiles: [{" + strings.Repeat("a: ,", 1<<14) + "}]", "problems more: mend these first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if lessWork && strings.HasPrefix(tt.name, "aliases of") {
				t.Skip("takes half a minute with the race detector, which finds nothing in one goroutine")
			}
			_, err := Parse("x.yaml", []byte(tt.text), consumer)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%.300v", err)
			}
			var bad *Error
			if !errors.As(err, &bad) || len(bad.Problems) > maxProblems+1 {
				t.Errorf("%d problems", len(bad.Problems))
			}
		})
	}
}

// laughs are anchors from b on, each ten times the one before.
func laughs(n int) string {
	var b strings.Builder
	for c := 'b'; c < 'b'+rune(n); c++ {
		fmt.Fprintf(&b, "%c: &%[1]c [%s]\n", c, strings.Repeat("*"+string(c-1)+",", 9))
	}
	return b.String()
}

// What has no end is not read to it.
func TestLoadDevice(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skipf("there is none here: %v", err)
	}
	if _, err := Load("/dev/zero", nothing); err == nil || !strings.Contains(err.Error(), "is larger than 16 MiB") {
		t.Errorf("%v", err)
	}
}
