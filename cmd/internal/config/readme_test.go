package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// blocks are the fenced blocks of a README in a language, without their indentation.
func blocks(t *testing.T, name, language string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../..", name))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	inside, indent := "", ""
	for line := range strings.Lines(string(raw)) {
		fence := regexp.MustCompile("^( *)```(.*)\n$").FindStringSubmatch(line)
		switch {
		case fence == nil && inside == language:
			all[len(all)-1] += strings.TrimPrefix(line, indent)
		case fence == nil:
		case inside != "":
			inside = ""
		case fence[2] == "":
			t.Errorf("%s: a block without a language", name)
			inside = "none"
		default:
			indent, inside = fence[1], fence[2]
			if inside == language {
				all = append(all, "")
			}
		}
	}
	return all
}

// Every configuration in the READMEs loads, with nothing to remark: the smallest one as
// it is, and what is only a part of one in the place of that part.
func TestReadmes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"consumer", "token", "event-socket", "fs1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(text string) {
		t.Helper()
		f, err := Parse("README.md", []byte(strings.ReplaceAll(text, "/run/secrets/", filepath.ToSlash(dir)+"/")), nothing)
		if err != nil || len(f.Warnings) > 0 {
			t.Errorf("error %v, warnings %v, in\n%s", err, f.Warnings, text)
		}
	}
	parse := func(text string) map[string]yaml.Node {
		t.Helper()
		var keys map[string]yaml.Node
		if err := yaml.Unmarshal([]byte(text), &keys); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return keys
	}
	all := slices.Concat(blocks(t, "README.md", "yaml"), blocks(t, "dialplan/README.md", "yaml"))
	whole := slices.IndexFunc(all, func(text string) bool { return strings.HasPrefix(text, "livedeflect:") })
	if whole < 0 || len(all) < 4 {
		t.Fatalf("%d blocks, the smallest file is number %d", len(all), whole)
	}
	for i, text := range all {
		if i == whole {
			load(text)
			continue
		}
		merged := parse(all[whole])
		for key, value := range parse(text) {
			merged[key] = value
		}
		out, err := yaml.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		load(string(out))
	}
}

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
	if f, err := Parse(name, []byte(account), both); err != nil || len(f.Warnings) > 0 || f.Deflect.Domain != "va" {
		t.Errorf("with an account: error %v, warnings %v", err, f.Warnings)
	}
	p, served := f.Profile("+18005550100")
	if !served || len(p.Hours.Week) > 0 || !strings.HasPrefix(p.Prompts.Offer, "ivrdeflect/") || p.Text == "" {
		t.Errorf("served %v, %+v", served, p)
	}
}
