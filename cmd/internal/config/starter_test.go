package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The starter file is what README says it is: short, without hours, with the shipped
// prompts, and of nothing that a newcomer does not have.
func TestStarter(t *testing.T) {
	const name = "../../../examples/freeswitch/starter.yaml"
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	if lines > 10 {
		t.Errorf("%d lines", lines)
	}
	f, err := Load(name, both)
	if err != nil || len(f.Warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, f.Warnings)
	}
	// With an account, as it says itself.
	account := regexp.MustCompile(`base_url: .*`).ReplaceAllString(string(raw), "domain: va")
	if f, err := Parse(name, []byte(account), both); err != nil || len(f.Warnings) > 0 || f.LiveDeflect.Domain != "va" {
		t.Errorf("with an account: error %v, warnings %v", err, f.Warnings)
	}
	p, served := f.Profile("+18005550100", "")
	if !served || len(p.Hours.Week) > 0 || !strings.HasPrefix(p.Prompts.Offer, "ivrdeflect/") || p.Text == "" {
		t.Errorf("served %v, %+v", served, p)
	}
}
