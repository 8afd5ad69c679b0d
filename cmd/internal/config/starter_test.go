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
	raw, f := loadStarter(t, name, both)
	// With an account, as it says itself.
	account := regexp.MustCompile(`base_url: .*`).ReplaceAllString(raw, "domain: va")
	if f, err := Parse(name, []byte(account), both); err != nil || len(f.Warnings) > 0 || f.LiveDeflect.Domain != "va" {
		t.Errorf("with an account: error %v, warnings %v", err, f.Warnings)
	}
	p, served := f.Profile("+18005550100", "")
	if !served || len(p.Hours.Week) > 0 || !strings.HasPrefix(p.Prompts.Offer, "ivrdeflect/") || p.Text == "" {
		t.Errorf("served %v, %+v", served, p)
	}
}

// The one of Connect to Messaging differs in one section, and with an account in a line less.
func TestStarterOfC2M(t *testing.T) {
	const dir = "../../../examples/freeswitch/"
	raw, f := loadStarter(t, dir+"c2m.yaml", client)
	if f.C2M == nil || f.Domains == nil || f.Domains.URL != "http://127.0.0.1:8091" {
		t.Errorf("C2M %+v, Domains %+v", f.C2M, f.Domains)
	}
	account := regexp.MustCompile(`(?m)^ *domain_url: .*\n`).ReplaceAllString(raw, "")
	if f, err := Parse("c2m.yaml", []byte(account), client); err != nil || len(f.Warnings) > 0 || f.Domains == nil || f.Domains.URL != "" {
		t.Errorf("with an account: error %v, warnings %v, %+v", err, f.Warnings, f.Domains)
	}
	live, _ := loadStarter(t, dir+"starter.yaml", both)
	_, live, _ = strings.Cut(live, "profiles:")
	if _, ours, _ := strings.Cut(raw, "profiles:"); ours != live {
		t.Errorf("profiles%s are not those of starter.yaml%s", ours, live)
	}
}

// loadStarter loads a short file without remark.
func loadStarter(t *testing.T, name string, getenv func(string) string) (string, File) {
	t.Helper()
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
		t.Errorf("%s: %d lines", name, lines)
	}
	f, err := Load(name, getenv)
	if err != nil || len(f.Warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, f.Warnings)
	}
	return string(raw), f
}
