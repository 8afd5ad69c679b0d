package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

func runC2M(t *testing.T) *c2mtest.Server {
	t.Helper()
	return c2mtest.RunT(t, c2mtest.Config{Account: "38856538", ClientID: "CLIENT", ClientSecret: "opensesame-client", Rate: -1})
}

// c2mFile is a configuration for a double that is its Domain API too.
func c2mFile(t *testing.T, api string, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	data := strings.NewReplacer(pairs...).Replace(fmt.Sprintf(`c2m: {account: "38856538", client_id: CLIENT, client_secret_file: secret, handoff_id: H123456789, domain_url: %q, eligibility_deadline: 3s}
freeswitch: {outbound: {listen: "127.0.0.1:0"}}
http: {listen: "127.0.0.1:0"}
profiles:
  - {name: sales, dialed: ["+18005550100"], skill: sales, text: "Hello.", cooldown: 0s, prompts: {wait: "", sent: "", failed: "", uncertain: ""}}
`, api))
	for name, text := range map[string]string{"deflectd.yaml": data, "secret": "opensesame-client"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "deflectd.yaml")
}

func TestSendByConnectToMessaging(t *testing.T) {
	api := runC2M(t)
	file := c2mFile(t, api.URL())
	for _, tt := range []struct {
		name   string
		before func()
		code   int
		want   sendResult
	}{
		{"sent", func() {}, 0, sendResult{Outcome: "sent", Reason: "ok", ExternalID: "call-1", Attempts: 1, Status: 200}},
		{"an open conversation", func() { api.OpenConversation(caller) }, exitFailed, sendResult{Outcome: "ineligible", Reason: "not_eligible", ExternalID: "call-1"}},
	} {
		tt.before()
		code, stdout, stderr := invoke(t, "send", "--config", file, "--from", caller, "--to", dialed, "--external-id", "call-1")
		var got sendResult
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != tt.code || stderr != "" {
			t.Fatalf("%s: %v, exit code %d, stderr %q\n%s", tt.name, err, code, stderr, stdout)
		}
		if (got.CallID == "") != (tt.want.Outcome != "sent") {
			t.Errorf("%s: call id %q", tt.name, got.CallID)
		}
		got.DurationMS, got.Error, got.CallID, got.Status = 0, "", "", tt.want.Status
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if n := len(api.Invites()); n != 1 || len(api.Violations()) > 0 {
		t.Errorf("%d invites, violations %+v", n, api.Violations())
	}
}

// A dry run asks nobody but the Domain API, and shows both requests without what is secret.
func TestDryRunByConnectToMessaging(t *testing.T) {
	api := runC2M(t)
	args := []string{
		"send", "--config", c2mFile(t, api.URL()), "--from", caller, "--to", dialed, "--external-id", "call-1", "--first-name", "Ann",
		"--info", `plan="Gold"`, "--info", "email=ann@example.com, or +1 4043438646", "--dry-run",
	}
	code, stdout, stderr := invoke(t, args...)
	if want := "agents are not shown, for the API has no place for it: plan"; code != 0 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "nothing was sent (keys and numbers are hidden above)\n") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	golden(t, "dry_run_c2m.txt", port.ReplaceAllString(stdout, "127.0.0.1:PORT"))
	for _, r := range api.Requests() {
		if r.Call != c2mtest.CallDomain {
			t.Errorf("a dry run asked for %s", r.Call)
		}
	}
	var out, errOut strings.Builder
	run(append(args, "--show-numbers"), app{context.Background(), &out, &errOut, secretEnv})
	if !strings.Contains(out.String(), `"consumerPhoneNumber": "`+caller+`"`) || strings.Contains(out.String(), "opensesame") {
		t.Errorf("with --show-numbers:\n%s", out.String())
	}
	api.SetFault(c2mtest.CallDomain, &c2mtest.Fault{Status: 404})
	if code, stdout, _ := invoke(t, args...); code != 0 || !strings.Contains(stdout, "https://{domain}.connect-to-messaging.liveperson.net/api/account/38856538/eligibility?v=2.0") {
		t.Errorf("without the Domain API: exit code %d\n%s", code, stdout)
	}
}

// LiveDeflect with tokens: the secret that they are asked with is in no dry run.
func TestDryRunWithTokens(t *testing.T) {
	api := runC2M(t)
	file := c2mFile(t, api.URL(), `c2m: {account`, `livedeflect: {auth: oauth2, base_url: "https://va.ivrdeflect.liveperson.net", site_id`, ", handoff_id: H123456789", "", ", eligibility_deadline: 3s", "")
	code, stdout, stderr := invoke(t, "send", "--config", file, "--from", caller, "--to", dialed, "--dry-run")
	if code != 0 || !strings.Contains(stdout, "Authorization: Bearer [redacted]") || !strings.Contains(stdout, `"siteId": "38856538"`) {
		t.Errorf("exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	if n := len(api.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestExplainByConnectToMessaging(t *testing.T) {
	api := runC2M(t)
	shift := c2mFile(t, api.URL(), "skill: sales", `skill: sales, agents: on_shift, agents_unknown: refuse, skill_id: "77"`)
	explain := func(file string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, "explain", "--config", file, "--from", caller, "--to", dialed)
		if code != 0 || stderr != "" {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
		return stdout
	}
	row := func(name, want, text string) {
		t.Helper()
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == name {
				if got := strings.Join(f[1:], " "); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
				return
			}
		}
		t.Errorf("there is no %s:\n%s", name, text)
	}
	api.SetShift("77", true)
	text := explain(shift)
	row("agents", "yes on shift", text)
	row("eligibility", "? asked of Connect to Messaging when a caller comes whom all other rules let through", text)
	api.SetShift("77", false)
	row("agents", "NO off_shift: no agent is on shift", explain(shift))
	if n := len(api.Eligibilities()); n != 0 {
		t.Errorf("an explanation asked for %d eligibilities", n)
	}
	asked := len(api.Requests())
	if err := os.Remove(filepath.Join(filepath.Dir(shift), "secret")); err != nil {
		t.Fatal(err)
	}
	text = explain(shift)
	row("agents", "? known to the running deflectd: here the secrets cannot be read, with which the shift status is asked", text)
	if !strings.HasPrefix(text, "YES: ") || len(api.Requests()) != asked {
		t.Errorf("without secrets, after %d requests:\n%s", len(api.Requests())-asked, text)
	}
}

func TestDemoOfConnectToMessagingIsOutbound(t *testing.T) {
	if code, _, stderr := invoke(t, "demo", "--api", "c2m", "--mode", "inbound"); code != exitUsage || !strings.Contains(stderr, "leave out --mode") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// A demo of Connect to Messaging does not call a failure a success either.
func TestDemoOfConnectToMessagingNotices(t *testing.T) {
	t.Parallel()
	bad := c2mScenes[0]
	bad.optedOut = true
	var out, errOut strings.Builder
	err := programme{c2m: true, scenes: []scene{bad}}.play(&app{t.Context(), &out, &errOut, secretEnv})
	if err == nil || !strings.Contains(err.Error(), "3 surprises") || !strings.Contains(out.String(), "NOT AS EXPECTED: the report shows 0 texts, not 1") {
		t.Errorf("error %v:\n%s", err, out.String())
	}
}

// Calls are made of a deflectd whose Connect to Messaging proves to be a double.
func TestLoadByConnectToMessaging(t *testing.T) {
	api := runC2M(t)
	daemon := runDaemonWith(t, c2mFile(t, api.URL(), "cooldown: 0s", "cooldown: 0s, repeat: 1, gap: 100ms"))
	code, s := loadWith(t, "--daemon", daemon, "--calls", "20", "--rate", "40")
	if code != 0 || len(api.Invites()) == 0 || len(api.Eligibilities()) != 20 || len(api.Violations()) > 0 {
		t.Errorf("exit code %d, %d invites, %d eligibilities, violations %+v: %+v", code, len(api.Invites()), len(api.Eligibilities()), api.Violations(), s)
	}
}
