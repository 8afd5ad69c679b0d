package config

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// The page is what deflectctl prints.
func TestReferencePageIsOfTheseRows(t *testing.T) {
	const page = "../../deflectd/configuration.md"
	got := Reference()
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("renew the page: go test ./cmd/internal/config -run TestReferencePage -update (-page +rows):\n%s", diff)
	}
}

func TestReferenceTellsOfEveryKey(t *testing.T) {
	walk(sample().rows(), "", func(path string, r row) {
		if !r.value.refused && !strings.HasSuffix(r.words, ".") {
			t.Errorf("%s: %q is no sentence", path, r.words)
		}
	})
}

// What the reference says of a reload is so: of two files that differ in every key that
// needs a restart, a reload names each, and no other.
func TestReferenceTellsWhatNeedsARestart(t *testing.T) {
	old := load(t, "full.yaml", nothing)
	text := strings.NewReplacer("site_id: \"38856538\"", "site_id: \"1\"", "domain: va", "base_url: https://api.example").Replace(old.Effective())
	want := []string{"livedeflect.site_id", "livedeflect.base_url", "livedeflect.max_text_length", "livedeflect.domain_url"} // the last two are c2m's as well
	for path, value := range map[string]string{
		"c2m.account": "\"1\"", "c2m.base_url": "https://c2m.example", "c2m.domain_url": "https://domains.example", "c2m.max_text_length": "90",
		"c2m.shift_status_url": "https://shift.example", "report.every": "0s", "default_region": "IE", "freeswitch.inbound": "[]",
		"freeswitch.outbound.listen": "10.0.0.1:99", "http.listen": "0.0.0.0:99", "http.status": "true", "state.dir": "/srv/state", "log.format": "json",
		"redis": "{url: \"redis://127.0.0.1:6379\", key_file: testdata/good/fleet.key}",
	} {
		text, _ = with(t, text, path, value)
		want = append(want, path)
	}
	f, err := Parse("x.yaml", []byte(text), nothing)
	if err != nil {
		t.Fatal(err)
	}
	var refused *Error
	if !errors.As(f.Follows(old), &refused) {
		t.Fatal("the reload is not refused")
	}
	var got, told []string
	for _, p := range refused.Problems {
		got = append(got, p.Path)
	}
	walk(sample().rows(), "", func(path string, r row) {
		if r.value.restart != "" && path != "livedeflect.domain" && path != LiveDeflect && path != C2M { // as base_url, which replaced it; TestAPIsNeedARestart
			told = append(told, path)
		}
	})
	for _, list := range [][]string{got, told, want} {
		slices.Sort(list)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what a reload refuses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("what the reference tells of it (-want +got):\n%s", diff)
	}
	// All the rest may change.
	same := load(t, "minimal.yaml", consumer)
	same.secrets.c2m.given, same.C2M, same.c2m, same.hosts = true, old.C2M, old.c2m, old.hosts
	same.LiveDeflect.SiteID, same.LiveDeflect.Domain, same.LiveDeflect.BaseURL = old.LiveDeflect.SiteID, old.LiveDeflect.Domain, old.LiveDeflect.BaseURL
	same.Deflect.MaxTextLength, same.Funnel.Every, same.Deflect.DefaultRegion = 480, time.Minute, "GB"
	same.OutboundListen, same.HTTPListen, same.NoStatus, same.Log.Format, same.FreeSWITCH.Inbound = old.OutboundListen, old.HTTPListen, old.NoStatus, "text", old.FreeSWITCH.Inbound
	same.StateDir, same.redis, same.Fleet = old.StateDir, old.redis, old.Fleet
	same.secrets.switches = old.secrets.switches
	if err := same.Follows(old); err != nil {
		t.Errorf("a reload refuses what needs no restart:\n%v", err)
	}
}

// The bounds that the reference names are those that are kept.
func TestReferenceTellsBounds(t *testing.T) {
	text := strings.Replace(load(t, "full.yaml", nothing).Effective(), "every: 2m", "every: 0s", 1)
	bound := regexp.MustCompile(`^(time|whole number), (?:0s, or )?(?:([0-9][0-9a-z]*|up) (?:or longer|or more)?)?(?:to ([0-9][0-9a-z]*(?: days)?))?`)
	seen := 0
	walk(sample().rows(), "", func(path string, r row) {
		m := bound.FindStringSubmatch(r.value.form)
		if m == nil {
			return
		}
		for i, step := range []int{-1, 1} {
			v, ok := bounded(m[2+i], 0)
			if !ok {
				continue
			}
			beyond, _ := bounded(m[2+i], step)
			seen++
			for _, tt := range []struct {
				value string
				good  bool
			}{{v, true}, {beyond, false}} {
				changed, at := with(t, text, path, tt.value)
				if path == "c2m.live_deadline" {
					at = "livedeflect.live_deadline" // told once of both
				}
				_, err := Parse("x.yaml", []byte(changed), nothing)
				if said := err != nil && strings.Contains(err.Error(), " "+at+": "); said == tt.good {
					t.Errorf("%s: %s, of %q: %v", path, tt.value, r.value.form, err)
				}
			}
		}
	})
	if seen < 30 {
		t.Errorf("%d bounds", seen)
	}
}

// bounded is a bound as YAML, or a little more or less.
func bounded(s string, step int) (string, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return strconv.Itoa(n + step), true
	}
	if days, ok := strings.CutSuffix(s, " days"); ok {
		n, _ := strconv.Atoi(days)
		s = strconv.Itoa(24*n) + "h"
	}
	d, err := time.ParseDuration(s)
	return (d + time.Duration(step)).String(), err == nil
}

// with returns a configuration with another value of a key, the first in a list, and the
// path of that one.
func with(t *testing.T, text, path, value string) (changed, at string) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	n := doc.Content[0]
	for _, key := range strings.Split(path, ".") {
		if n.Kind == yaml.SequenceNode {
			n, at = n.Content[0], at+"[0]"
		}
		i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key })
		if i < 0 {
			t.Fatalf("no %s in %s", key, path)
		}
		n, at = n.Content[i+1], strings.TrimPrefix(at+"."+key, ".")
	}
	var v yaml.Node
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	*n = *v.Content[0]
	// What both APIs have may not be two things.
	api, key, _ := strings.Cut(path, ".")
	other := map[string]string{LiveDeflect: C2M, C2M: LiveDeflect}[api]
	for i := 0; i < len(doc.Content[0].Content); i += 2 {
		if section := doc.Content[0].Content[i+1]; other == doc.Content[0].Content[i].Value && slices.Contains([]string{"live_deadline", "max_text_length", "domain_url"}, key) {
			at := slices.IndexFunc(section.Content, func(c *yaml.Node) bool { return c.Value == key })
			*section.Content[at+1] = *v.Content[0]
		}
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), at
}
