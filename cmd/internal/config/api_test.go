package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

const (
	liveSection = `livedeflect: {site_id: "38856538", domain: va, consumer_key: KEY}`
	c2mSection  = `c2m: {account: "38856538", client_id: CLIENT, handoff_id: H123456789}`
)

// parsed is a file of some sections and two profiles.
func parsed(t *testing.T, text string, getenv func(string) string) File {
	t.Helper()
	f, err := Parse("x.yaml", []byte(text), getenv)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Who moves changes one section: the profiles are read as they are, and what the other API
// has no use for is told.
func TestMovingChangesOneSection(t *testing.T) {
	const profiles = `
profiles:
  - {name: sales, dialed: ["+18005550100"], skill: sales, text: Hi, text_tag: template-1, hours: {zone: UTC, holidays: ["2026-12-25"]}}
  - {name: rest, skill: service, languages: {es: {text: "", prompts: {offer: a, wait: a, sent: a, failed: a, uncertain: a, already_sent: a}}}}
`
	before, after := parsed(t, liveSection+profiles, consumer), parsed(t, c2mSection+profiles, client)
	if diff := cmp.Diff(before.FreeSWITCH.Profiles, after.FreeSWITCH.Profiles); diff != "" {
		t.Errorf("profiles (-livedeflect +c2m):\n%s", diff)
	}
	if before.Warnings != nil {
		t.Errorf("warnings before: %v", before.Warnings)
	}
	want := []Problem{{3, "profiles[0].text_tag", "is of no use with c2m, which has no tags: the handoff says which text it is"}}
	if diff := cmp.Diff(want, after.Warnings); diff != "" {
		t.Errorf("warnings after (-want +got):\n%s", diff)
	}
	if before.API() != LiveDeflect || before.Speaks(C2M) || before.C2M != nil || before.Domains != nil || before.APIs[1] != LiveDeflect {
		t.Errorf("before: %s, %v", before.API(), before.APIs)
	}
	if after.API() != C2M || after.Speaks(LiveDeflect) || after.C2M == nil || after.LiveDeflect.Auth != nil || after.APIs[1] != C2M {
		t.Errorf("after: %s, %v", after.API(), after.APIs)
	}
	if d := after.Domains; d == nil || d.Account != "38856538" {
		t.Errorf("Domains after: %+v", d)
	}
}

func TestWarnsOfKeysWithoutUse(t *testing.T) {
	f := parsed(t, liveSection+`
profiles:
  - {name: sales, skill: sales, handoff_id: H123456789, template_variables: {1: a}, skill_id: "12"}
`, consumer)
	want := []Problem{
		{3, "profiles[0].handoff_id", "is of no use with livedeflect, which has no handoffs"},
		{3, "profiles[0].template_variables", "is of no use with livedeflect, which has no templates: text is one"},
		{3, "profiles[0].skill_id", "is of no use without agents: on_shift"},
	}
	if diff := cmp.Diff(want, f.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// Of the hosts that the file does not name, those are asked for that are needed: with a
// token of one account, of both APIs, when they are let in by the same.
func TestHostsAreAskedFor(t *testing.T) {
	const profile = "\nprofiles: [{name: all, skill: s%s}]\n"
	const named = `base_url: "https://c2m.example", sentinel_url: "https://sentinel.example"`
	tests := []struct {
		sections, more string
		want           string // account that is asked about, "" for nobody
	}{
		{liveSection, "", ""},
		{strings.Replace(liveSection, "domain: va, ", "", 1), "", "38856538"},
		{`livedeflect: {site_id: "1", domain: va, auth: oauth2, client_id: A, sentinel_url: "https://sentinel.example"}`, "", ""},
		{`livedeflect: {site_id: "1", domain: va, auth: oauth2, client_id: A}`, "", "1"},
		{c2mSection, "", "38856538"},
		{strings.Replace(c2mSection, "}", ", "+named+"}", 1), "", ""},
		{strings.Replace(c2mSection, "}", `, base_url: "https://c2m.example"}`, 1), "", "38856538"},
		{strings.Replace(c2mSection, "}", ", "+named+"}", 1), `, agents: on_shift, skill_id: "12"`, "38856538"},
		{strings.Replace(c2mSection, "}", ", "+named+`, shift_status_url: "https://shift.example"}`, 1), `, agents: on_shift, skill_id: "12"`, ""},
		{liveSection + "\n" + strings.Replace(c2mSection, "38856538", "2", 1), "", "2"},
		{strings.Replace(liveSection, "domain: va, ", "", 1) + "\n" + strings.Replace(strings.Replace(c2mSection, "38856538", "2", 1), "}", ", "+named+"}", 1), "", "38856538"},
		{`c2m: {account: "3", auth: oauth1, consumer_key: KEY, handoff_id: H1, base_url: "https://c2m.example"}`, "", ""},
	}
	for _, tt := range tests {
		f := parsed(t, tt.sections+fmt.Sprintf(profile, tt.more), keysOfBoth)
		got := ""
		if f.Domains != nil {
			got = f.Domains.Account
		}
		if got != tt.want {
			t.Errorf("%s%s: asked about %q, want %q", tt.sections, tt.more, got, tt.want)
		}
	}
}

// Whoever was made of what the file says is in all that asks it, and what is let in by the
// same credentials has one token.
func TestWithDomains(t *testing.T) {
	f := parsed(t, `
livedeflect: {site_id: "38856538", auth: oauth2, client_id: CLIENT}
c2m: {account: "38856538", client_id: CLIENT, handoff_id: H123456789, domain_url: "http://127.0.0.1:8091"}
profiles: [{name: all, skill: s, agents: on_shift, skill_id: "12"}, {name: other, dialed: ["+18005550100"], skill: s}]
`, client)
	if f.Domains == nil || f.Domains.URL != "http://127.0.0.1:8091" {
		t.Fatalf("Domains = %+v", f.Domains)
	}
	if f.LiveDeflect.Auth != f.C2M.Auth || f.Shifts.Auth != f.C2M.Auth {
		t.Error("there are two tokens of one client")
	}
	domains, err := liveperson.NewDomains(*f.Domains)
	if err != nil {
		t.Fatal(err)
	}
	with := f.WithDomains(domains)
	if with.LiveDeflect.Auth != with.C2M.Auth || with.Shifts.Auth != with.C2M.Auth {
		t.Error("with domains, there are two tokens of one client")
	}
	if with.LiveDeflect.Domains != domains || with.C2M.Domains != domains || with.Shifts.Domains != domains || with.C2M.Auth.(*liveperson.OAuth2).Domains != domains {
		t.Errorf("not all of them ask: %+v, %+v, %+v", with.LiveDeflect, with.C2M, with.Shifts)
	}
	if f.C2M.Domains != nil || f.LiveDeflect.Domains != nil || f.Shifts.Domains != nil {
		t.Error("the file that was asked for it has changed")
	}
	for _, err := range []error{with.LiveDeflect.Validate(), with.C2M.Validate()} {
		if err != nil {
			t.Error(err)
		}
	}
	shifts, err := liveperson.NewShifts(*with.Shifts)
	if err != nil {
		t.Fatal(err)
	}
	shifting := with.WithShifts(shifts)
	if got := shifting.FreeSWITCH.Profiles[0].Agents; got != deflect.Agents(shifts.Of("12")) {
		t.Errorf("agents of the first profile: %v", got)
	}
	if got := shifting.FreeSWITCH.Profiles[1].Agents; got != nil {
		t.Errorf("agents of the second profile: %v", got)
	}
	// Whom nobody has connected knows nothing.
	if on, known := with.FreeSWITCH.Profiles[0].Agents.OnShift(); on || known {
		t.Errorf("a shift that was not asked: %t, %t", on, known)
	}
}

// What both sections may say is one thing, wherever it is.
func TestOneDeadlineForBothAPIs(t *testing.T) {
	const profile = "\nprofiles: [{name: all, skill: s}]\n"
	for _, tt := range []struct {
		live, c2m string
		deadline  time.Duration
		ask       time.Duration
	}{
		{"", "", 4 * time.Second, 700 * time.Millisecond},
		{", live_deadline: 3s", "", 3 * time.Second, 700 * time.Millisecond},
		{"", ", live_deadline: 3s", 3 * time.Second, 700 * time.Millisecond},
		{", live_deadline: 3s", ", live_deadline: 3s", 3 * time.Second, 700 * time.Millisecond},
		{", live_deadline: 500ms", "", 500 * time.Millisecond, 500 * time.Millisecond},
		{", live_deadline: 4s", ", live_deadline: 4s, eligibility_deadline: 4s", 4 * time.Second, 4 * time.Second},
	} {
		text := strings.Replace(liveSection, "}", tt.live+"}", 1) + "\n" + strings.Replace(c2mSection, "}", tt.c2m+"}", 1) + profile
		f := parsed(t, text, keysOfBoth)
		if f.Deflect.LiveDeadline != tt.deadline || f.Deflect.AskDeadline != tt.ask {
			t.Errorf("%s: %s and %s", text, f.Deflect.LiveDeadline, f.Deflect.AskDeadline)
		}
		same(t, f, keysOfBoth)
	}
}

// Profiles of the same numbers have their shares one after the other.
func TestProfilesOfOneNumberSplitItsCalls(t *testing.T) {
	f := parsed(t, liveSection+"\n"+c2mSection+`
profiles:
  - {name: sales, skill: s, dialed: ["+18005550100", "+18005550101"], percent: 60}
  - {name: rest, skill: s, percent: 90}
  - {name: trial, skill: s, dialed: ["18005550101", "(800) 555-0100"], percent: 30, api: c2m}
  - {name: rest-trial, skill: s, percent: 10, api: c2m}
  - {name: alone, skill: s, dialed: ["+18005550102"], percent: 60}
  - {name: none, skill: s, dialed: ["+18005550100", "+18005550101"], percent: 0}
`, keysOfBoth)
	var got []string
	for i, p := range f.FreeSWITCH.Profiles {
		got = append(got, fmt.Sprintf("%s %s from %d without %d, shared %q", p.Name, f.APIs[i], p.From, p.Withhold, p.Shared))
	}
	want := []string{
		`sales livedeflect from 0 without 40, shared ""`,
		`rest livedeflect from 0 without 10, shared ""`,
		`trial c2m from 60 without 70, shared "sales"`,
		`rest-trial c2m from 90 without 90, shared "rest"`,
		`alone livedeflect from 0 without 40, shared ""`,
		`none livedeflect from 90 without 100, shared "sales"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	same(t, f, keysOfBoth)
	seen := map[string]int{}
	for i := range 1000 {
		p, _ := f.Profile("+18005550177", fmt.Sprint(i))
		seen[p.Name]++
	}
	if seen["rest"]+seen["rest-trial"] != 1000 || seen["rest-trial"] < 70 || seen["rest-trial"] > 130 {
		t.Errorf("of 1000 calls: %v", seen)
	}
}

// An API that comes or goes needs a restart, and so do its account and its hosts.
func TestAPIsNeedARestart(t *testing.T) {
	const profile = "\nprofiles: [{name: all, skill: s}]\n"
	both := liveSection + "\n" + c2mSection
	for _, tt := range []struct{ from, to, want string }{
		{liveSection, both, "c2m: was changed, which needs a restart"},
		{both, liveSection, "c2m: was changed, which needs a restart"},
		{both, c2mSection, "livedeflect: was changed, which needs a restart"},
		{liveSection, c2mSection, "livedeflect: was changed, which needs a restart\nx.yaml: c2m: was changed, which needs a restart"},
		{both, both, ""},
		{both, strings.Replace(both, "CLIENT", "OTHER", 1), ""},
		{both, strings.Replace(both, "H123456789", "H1, rate: 10, ticket_age: 1m, channels: [sms], eligibility_deadline: 1s", 1), ""},
		{c2mSection, strings.Replace(c2mSection, "38856538", "2", 1), "c2m.account: was changed, which needs a restart"},
		{c2mSection, strings.Replace(c2mSection, "}", ", max_text_length: 100}", 1), "c2m.max_text_length: was changed, which needs a restart"},
	} {
		err := parsed(t, tt.to+profile, keysOfBoth).Follows(parsed(t, tt.from+profile, keysOfBoth))
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "x.yaml: ")
		}
		if got != tt.want {
			t.Errorf("%s\nto %s\n%q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// The client secret is a secret as all others are.
func TestClientSecretIsASecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open", secret, 0o644)
	write("quoted", "'"+secret+"'\n", 0o600)
	file := func(more string) string {
		write("x.yaml", strings.Replace(c2mSection, "}", more+"}", 1)+"\nprofiles: [{name: all, skill: s}]\n", 0o600)
		return filepath.Join(dir, "x.yaml")
	}
	for name, want := range map[string][]Problem{
		"open":   {{1, "c2m.client_secret_file", "can be read by every user of this machine: chmod o-rwx it"}},
		"quoted": {{1, "c2m.client_secret_file", "names a file whose text has quotes around it, which count as part of it: remove them"}},
	} {
		if name == "open" && runtime.GOOS == "windows" { // modes of files mean something else there
			continue
		}
		f, err := Load(file(", client_secret_file: "+name), nothing)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.Warnings); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", name, diff)
		}
	}
	if _, err := LoadKeyless(file(", client_secret_file: none"), nothing); err != nil {
		t.Errorf("whoever sends nothing needs a secret: %v", err)
	}
	var problems *Error
	if _, err := Load(file(""), nothing); !errors.As(err, &problems) {
		t.Errorf("without a secret: %v", err)
	}
	load := func(secret string) File {
		f, err := Load(fleetFile(t, `redis: {url: "redis://127.0.0.1:6379/0", key_file: key}`+"\n"+c2mSection, ""), env(consumerSecretEnv, "x", clientSecretEnv, secret))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	hash := load(secret).Hash()
	if hash == load("another").Hash() || hash != load(secret).Hash() {
		t.Error("another client secret makes no other hash")
	}
}
