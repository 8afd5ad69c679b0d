package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// anyPort and nobodysPort are what a configuration of stateFile has for HTTP.
const anyPort, nobodysPort = `http: {listen: "127.0.0.1:0"}`, `http: {listen: "127.0.0.1:1"}`

// stateFile is a configuration with a journal.
func stateFile(t *testing.T) (name, dir string) {
	t.Helper()
	name = configFile(t, "http://127.0.0.1:1")
	replace(t, name, "cooldown: 0s", "cooldown: 1h, later: {failed: 1h}", "profiles:", "state: {dir: state}\nprofiles:")
	return name, filepath.Join(filepath.Dir(name), "state")
}

func replace(t *testing.T, name string, pairs ...string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// remember makes the journal of a caller whose text waits and who is in a cooldown.
func remember(t *testing.T, dir string) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now().Add(-time.Minute)
	e := deflect.Entry{
		ExternalCallID: "call-1", State: deflect.Waiting, Customer: caller, Policy: "sales", Outcome: deflect.Deferred,
		Reason: deflect.ReasonUnreachable, Since: since, Next: since.Add(50 * time.Minute), Until: since.Add(time.Hour), Tries: 1, Data: []byte("{}"),
	}
	j.Note(e)
	e.ExternalCallID, e.State, e.Outcome = "call-0", deflect.Ended, deflect.Sent
	j.Note(e)
	if ok, err := j.Take(t.Context(), "sales "+caller, "token", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// The same is shown and done beside a deflectd and without one, in words and as JSON.
func TestState(t *testing.T) {
	for _, running := range []bool{false, true} {
		name, dir := stateFile(t)
		remember(t, dir)
		from := "from the journal; no deflectd runs with it"
		if running {
			serveState(t, name, "")
			from = "from deflectd at http://127.0.0.1:"
		}
		for _, tt := range []struct {
			args string
			code int
			want []string
		}{
			{"list", 0, []string{"1 text, 1 cooldown (" + from, "\ncall-1 ", "  ***46  ", "  waiting (unreachable, tried 1 time)  ", "\nin a cooldown  profile  until\n***46          sales    20"}},
			{"list --number 4043438646", 0, []string{"\ncall-1 "}},
			{"list --number +14043438647", 0, []string{"Nothing waits, is in doubt or in a cooldown (" + from}},
			{"list --number 12", exitUsage, []string{"--number: the number cannot be a telephone number, or could be two (region US)"}},
			{"release --number +14043438646", 0, []string{"***46 can be texted again (" + from, "ended 1 cooldown.\n"}},
			{"release --number +14043438646", 0, []string{"***46 is in no cooldown (" + from}},
			{"cancel --external-id call-0", exitFailed, []string{"deflectctl: no text of this id waits"}},
			{"cancel --external-id ?", exitUsage, []string{"is as the log masks it"}},
			{"cancel --external-id call-1", 0, []string{"The text of call-1 is not sent (" + from}},
			{"cancel --external-id call-1", exitFailed, []string{"deflectctl: no text of this id waits"}},
			{"forget --number +14043438646", 0, []string{"***46 is forgotten (" + from, "Erased: 0 texts that waited, 0 texts in doubt, 1 outcome of texts, 0 cooldowns, 0 traces of calls.\n"}},
			{"forget --number +14043438646 --json", 0, []string{`"number": "***46"`, `"ended": 0`}},
			{"forget --number +14043438646", 0, []string{"Nothing was known of ***46 (" + from}},
			{"list --json", 0, []string{`"texts": []`, `"cooldowns": []`, `"more": 0`}},
			{"forget", exitUsage, []string{"missing flags: --number=NUMBER"}},
		} {
			args := append([]string{"state"}, strings.Fields(tt.args)...)
			code, stdout, stderr := invoke(t, append(args, "--config", name)...)
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) || (stderr == "") != (tt.code == 0) {
					t.Errorf("running %v: %s: no %q in %q %q", running, tt.args, want, stdout, stderr)
				}
			}
			if code != tt.code {
				t.Errorf("running %v: %s: exit code %d, want %d: %s", running, tt.args, code, tt.code, stderr)
			}
		}
	}
}

// Of many cooldowns some are shown, of strange words what can be seen.
func TestStateListInWords(t *testing.T) {
	l := state.Listing{More: 5}
	for range mostShown + 2 {
		l.Cooldowns = append(l.Cooldowns, state.Cooldown{Number: "***46\x1b[2J", Until: time.Unix(1_800_000_000, 0)})
	}
	text := listText(l, "from a test")
	if n := strings.Count(text, "\n***46          -        20"); n != mostShown || !strings.HasSuffix(text, "\n... and 7 more; --number shows what is known of one number\n") || strings.Contains(text, "\x1b") {
		t.Errorf("%d are shown:\n%q", n, text)
	}
}

// What a script reads.
func TestStateListJSON(t *testing.T) {
	name, dir := stateFile(t)
	remember(t, dir)
	_, stdout, _ := invoke(t, "state", "list", "--json", "--config", name)
	var l struct {
		Texts     []struct{ ExternalID, State, Number, Profile, Reason string }
		Cooldowns []struct{ Profile, Number string }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(stdout, "external_id", "ExternalID")), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Texts) != 1 || l.Texts[0] != struct{ ExternalID, State, Number, Profile, Reason string }{"call-1", "waiting", "***46", "sales", "unreachable"} ||
		len(l.Cooldowns) != 1 || l.Cooldowns[0] != struct{ Profile, Number string }{"sales", "***46"} {
		t.Errorf("%s", stdout)
	}
}

// Who looks at the state, or at the rules, needs no key of the API.
func TestStateAndExplainNeedNoSecret(t *testing.T) {
	name, dir := stateFile(t)
	remember(t, dir)
	tokenless := filepath.Join(filepath.Dir(name), "tokenless.yaml")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), ", token: apptoken", ", consumer_secret_file: /not/there", 1)
	text = strings.Replace(text, `freeswitch: {`, `freeswitch: {inbound: [{name: pbx, address: "127.0.0.1:8021"}], `, 1)
	if err := os.WriteFile(tokenless, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	nothing := func(string) string { return "" }
	half := func(name string) string { return map[string]string{"DEFLECT_TOKEN_SECRET": "opensesame-token"}[name] }
	for _, config := range []string{name, tokenless} {
		for _, getenv := range []func(string) string{nothing, half} {
			for _, args := range [][]string{{"state", "list"}, {"explain", "--from", caller, "--to", dialed}} {
				var out, errOut strings.Builder
				code := run(append(args, "--config", config), app{t.Context(), &out, &errOut, getenv})
				if code != 0 || errOut.String() != "" || !strings.Contains(out.String(), "1 text, 1 cooldown") {
					t.Errorf("%s of %s: exit code %d, stderr %q\n%s", args, filepath.Base(config), code, errOut.String(), out.String())
				}
				shows(t, out.String()+errOut.String())
			}
		}
	}
	var out, errOut strings.Builder
	if code := run([]string{"check", "--config", name}, app{t.Context(), &out, &errOut, nothing}); code != exitUsage {
		t.Errorf("check takes a configuration without its secrets: exit code %d", code)
	}
}

// Where the state cannot be told, why not, and what to do. Nothing is made.
func TestStateIsNotTold(t *testing.T) {
	without := configFile(t, "http://127.0.0.1:1")
	name, dir := stateFile(t)
	if code, _, stderr := invoke(t, "state", "list", "--config", without); code != exitUsage || !strings.Contains(stderr, "has no state.dir: deflectd keeps what it knows in memory") {
		t.Errorf("without state.dir: exit code %d, stderr %q", code, stderr)
	}
	for _, args := range []string{"list", "forget --number 4043438646", "release --number 4043438646", "cancel --external-id call-1"} {
		code, _, stderr := invoke(t, append(append([]string{"state"}, strings.Fields(args)...), "--config", name)...)
		if code != exitFailed || !strings.Contains(stderr, "there is no journal in "+dir) || !strings.Contains(stderr, "has not run with this configuration yet") {
			t.Errorf("%s without a journal: exit code %d, stderr %q", args, code, stderr)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
	held, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	replace(t, name, anyPort, nobodysPort)
	for _, args := range []string{"list", "forget --number 4043438646"} {
		code, _, stderr := invoke(t, append(append([]string{"state"}, strings.Fields(args)...), "--config", name)...)
		for _, want := range []string{"deflectd cannot be reached at http://127.0.0.1:", "(http.listen): connect", "is in use by", "while deflectd runs with " + name} {
			if code != exitFailed || !strings.Contains(stderr, want) {
				t.Errorf("%s while another process has it: exit code %d, no %q in %q", args, code, want, stderr)
			}
		}
	}
}

// A folder that was taken away under a deflectd: it knows what was there.
func TestStateOfAFolderThatIsGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a folder that is in use stays")
	}
	name, dir := stateFile(t)
	remember(t, dir)
	serveState(t, name, "")
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "state", "list", "--config", name)
	if code != 0 || !strings.Contains(stdout, "1 text, 1 cooldown (from deflectd at ") {
		t.Errorf("exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	if err := os.Rename(dir+".gone", dir); err != nil {
		t.Fatal(err)
	}
}

// explain says what is remembered of the caller, and judges by it.
func TestExplainKnowsTheState(t *testing.T) {
	name, dir := stateFile(t)
	explain := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, append([]string{"explain", "--config", name, "--to", dialed}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
		return stdout
	}
	want := func(got string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("no %q in:\n%s", part, got)
			}
		}
	}
	want(explain("--from", caller), "YES: ", "could not be looked up: there is no journal in "+dir, "whether the caller was texted lately is known to the running deflectd")
	remember(t, dir)
	in := "cooldown: was, or may have been, texted: until 20"
	for i := range 2 { // from the file, and from deflectd
		want(explain("--from", caller), "NO: not offered a text, because of cooldown (cooldown)", in, "Remembered of the caller: 1 text, 1 cooldown (from ", "\ncall-1 ")
		want(explain("--from", "+14043438647"), "YES: ", "not texted lately, by the state", "Remembered of the caller: Nothing waits")
		want(explain("--from", "+14043438647", "--var", "deflect_number="+caller), "NO: ", in)
		want(explain("--from", caller, "--at", time.Now().Add(2*time.Hour).Format(time.RFC3339)), "YES: ", "Remembered of the caller: 1 text")
		want(explain("--from", caller, "--at", time.Now().Add(-time.Hour).Format(time.RFC3339)), "YES: ", "not texted lately, by the state")
		want(explain("--from", "anonymous"), "NO: ", "number_hidden", "Remembered of the caller: Nothing")
		if i == 0 {
			serveState(t, name, "")
		}
	}
}

// Profiles that split the calls of a number share the cooldown, also where explain looks.
func TestExplainKnowsTheSharedCooldown(t *testing.T) {
	name, dir := stateFile(t)
	replace(t, name, "{name: sales,", "{name: sales, percent: 90,")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	more := string(data) + `  - {name: trial, dialed: ["+18005550100"], skill: sales, percent: 10, cooldown: 1h}` + "\n"
	if err := os.WriteFile(name, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	remember(t, dir)
	for uuid, profile := range map[string]string{"call-0": "sales", "call-4": "trial"} {
		code, stdout, stderr := invoke(t, "explain", "--config", name, "--from", caller, "--to", dialed, "--var", "uuid="+uuid)
		if code != 0 || stderr != "" || !strings.Contains(stdout, " "+profile+"; other calls of this number are of ") || !strings.Contains(stdout, "cooldown: was, or may have been, texted: until 20") {
			t.Errorf("%s: exit code %d, stderr %q\n%s", uuid, code, stderr, stdout)
		}
	}
}

// A text that can wait until the team is back is offered, and is so by explain.
func TestExplainKnowsOfLater(t *testing.T) {
	const hours = `hours: {zone: UTC, week: {mon-fri: ["09:00-17:00"]}}, `
	for _, tt := range []struct{ later, want string }{
		{"{failed: 1h}", "NO: not offered a text, because of hours (outside_hours)"},
		{"{closed: 16h}", "YES: "},
	} {
		name, _ := stateFile(t)
		replace(t, name, "later: {failed: 1h}", hours+"later: "+tt.later)
		code, stdout, stderr := invoke(t, "explain", "--config", name, "--from", caller, "--to", dialed, "--at", "2026-11-24T20:00:00Z")
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, tt.want) {
			t.Errorf("later %s: exit code %d, stderr %q\n%s", tt.later, code, stderr, stdout)
		}
	}
}
