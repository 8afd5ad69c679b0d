package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

// transactions are the calls of a report of Connect to Messaging without errors.
func transactions(all []c2m.Transaction) []funnel.Journey {
	return funnel.CollectC2M(func(yield func(c2m.Transaction, error) bool) {
		for _, t := range all {
			if !yield(t, nil) {
				return
			}
		}
	}, func(error) {})
}

// sampleC2MReport is a report of six calls in two hours, or one of SMS alone.
func sampleC2MReport(t *testing.T, others ...c2m.Transaction) *reportResult {
	t.Helper()
	zone := newYork(t)
	begin := time.Date(2026, 11, 20, 9, 10, 0, 0, zone)
	after := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	sms := []c2m.Transaction{
		{CallID: "c-1", Attempted: begin, Skill: "sales", Channel: c2m.SMS, HandoffID: "H123456789", Eligible: after(1), Invited: after(10), Sent: after(11), Delivered: after(12), Opened: after(131),
			ConversationID: "5e6ac3a2-0f3c-4a6b-9d51-2c7c1d6f2b11", OptedOut: after(500), Status: c2m.StatusResponded},
		{CallID: "c-2", Attempted: after(60), Skill: "sales", Channel: c2m.SMS, Eligible: after(61)},
		{CallID: "c-3", Attempted: after(60), Skill: "sales", Channel: c2m.SMS, Failed: after(61), ErrorSource: "c2m", ErrorCode: "1001", Status: c2m.StatusFailed},
		{CallID: "c-4", Attempted: after(60), Skill: "sales", Channel: c2m.SMS, Invited: after(70), Skipped: after(70), Status: c2m.StatusSkipped},
	}
	r := &reportResult{
		From: time.Date(2026, 11, 20, 8, 0, 0, 0, zone), To: time.Date(2026, 11, 20, 12, 0, 0, 0, zone),
		API: reportAPIs[1], By: "skill", Zone: zone, Calls: transactions(append(sms, others...)),
	}
	r.count()
	return r
}

// whatsApp are calls of another skill, the last one with what LivePerson would not have made up.
func whatsApp() []c2m.Transaction {
	begin := time.Date(2026, 11, 20, 15, 10, 0, 0, time.UTC)
	return []c2m.Transaction{
		{CallID: "c-5", Attempted: begin, Skill: "service", Channel: c2m.WhatsApp, Invited: begin.Add(10 * time.Second), Sent: begin.Add(13 * time.Second), Read: begin.Add(20 * time.Second), Status: c2m.StatusRead},
		{CallID: "+14043438646", Attempted: begin, Skill: evil, Channel: "<b>", Sent: begin, Failed: begin, ErrorSource: "=x<i>\x1b[31m", ErrorCode: "+14043438646"},
	}
}

func TestC2MReportFormats(t *testing.T) {
	for _, format := range []string{"table", "json", "ndjson", "csv"} {
		golden(t, "report_c2m."+format, written(t, format, sampleC2MReport(t, whatsApp()...)))
		golden(t, "report_c2m_sms."+format, written(t, format, sampleC2MReport(t)))
		empty := sampleC2MReport(t)
		empty.Calls = nil
		empty.count()
		if text := written(t, format, empty); format != "ndjson" && !strings.Contains(text, "o calls. Check the span, and account in") && !strings.Contains(text, "attempted") {
			t.Errorf("%s without calls:\n%s", format, text)
		}
	}
}

func TestC2MReportPage(t *testing.T) {
	page := written(t, "html", sampleC2MReport(t, whatsApp()...))
	for _, part := range []string{
		"3 of 6 callers got their text, 1 opened a conversation", "From Connect to Messaging's report.", "<small>asked about</small>",
		`<th scope="row">c2m_1001</th><td>1</td><td>a landline, or no valid number</td>`, `<th scope="col">opted out</th>`, "text read", "not in the vendor&#39;s dictionary",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not have %q", part)
		}
	}
	shows(t, page)
	if strings.Contains(page, "<i>") || strings.Contains(page, "\x1b") || strings.Contains(page, "<script") {
		t.Error("the page is not escaped")
	}
	sms := written(t, "html", sampleC2MReport(t))
	if !strings.Contains(sms, `<th scope="row">text read <small>(read)</small></th><td>-</td><td>-</td><td>0</td>`) || strings.Contains(sms, ">0 (0 %)</text>") {
		t.Error("SMS shows how many were read")
	}
	// LiveDeflect's has none of it.
	live := written(t, "html", sampleReport(t))
	for _, part := range []string{"By error", "opted out", "Connect to Messaging"} {
		if strings.Contains(live, part) {
			t.Errorf("LiveDeflect's page has %q", part)
		}
	}
}

// A code of the report is a stranger's text.
func TestC2MReportShowsNoStranger(t *testing.T) {
	r := sampleC2MReport(t, whatsApp()...)
	r.Bad, r.BadOf, r.Gaps = 1, []error{errors.New("bad")}, []error{fmt.Errorf("gap <b>")}
	for _, f := range reportFormats {
		text := written(t, f.name, r)
		shows(t, text)
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s has a control character", f.name)
		}
	}
	var total struct {
		Stages []struct {
			Stage string
			Calls *int
		}
	}
	if err := json.Unmarshal([]byte(written(t, "json", sampleC2MReport(t))), &total); err != nil || total.Stages[5].Stage != "read" || total.Stages[5].Calls != nil {
		t.Errorf("%+v, %v", total, err)
	}
}

// reportC2M is the API with the client of reportFile.
func reportC2M(t *testing.T, change func(*c2mtest.Config)) *c2mtest.Server {
	t.Helper()
	cfg := c2mtest.Config{Account: "38856538", ClientID: "client", ClientSecret: "opensesame-client"}
	if change != nil {
		change(&cfg)
	}
	return c2mtest.RunT(t, cfg)
}

const c2mSection = `c2m: {account: "38856538", client_id: client, client_secret_file: secret, handoff_id: H123456789, base_url: %[1]q, sentinel_url: %[1]q, reporting_url: %[1]q}
`

// reportFile is a configuration with a section c2m, and with more.
func reportFile(t *testing.T, api, more string) string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "deflectd.yaml")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("opensesame-client"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := fmt.Sprintf(c2mSection, api) + more + `freeswitch: {outbound: {listen: "127.0.0.1:0"}}
http: {listen: "127.0.0.1:0"}
profiles:
  - {name: sales, dialed: ["+18005550100"], skill: sales, text: "Hello.", cooldown: 0s, prompts: {wait: "", sent: "", failed: "", uncertain: ""}}
`
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// post has the API do something, as a client does.
func post(t *testing.T, api *c2mtest.Server, path, body string) (callID string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL()+"/api/account/38856538/"+path+"?v=2.0", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+api.IssueToken("38856538"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "" // a fault
	}
	defer resp.Body.Close()
	var answer struct{ CallID string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.CallID
}

const askSales = `{"skill":"sales","consumerPhoneNumber":"+14043438646","handoffId":"H123456789"}`

func TestReportOfC2M(t *testing.T) {
	api := reportC2M(t, func(c *c2mtest.Config) {
		c.Consumer = func(c2mtest.Invite) c2mtest.Consumer { return c2mtest.Consumer{Replies: true} }
	})
	config := reportFile(t, api.URL(), "")
	post(t, api, "eligibility", askSales)
	id := post(t, api, "eligibility", askSales)
	post(t, api, "invite", `{"callId":"`+id+`"}`)
	code, stdout, stderr := invoke(t, "report", "--config", config, "--since", "7d", "--format", "json")
	var got reportJSON
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if code != 0 || stderr != "" || got.Calls != 2 || got.Texts != 1 || got.Conversations != 1 || got.Partial {
		t.Errorf("exit code %d, stderr %q, %+v", code, stderr, got)
	}
	api.SetFault(c2mtest.CallTransactions, &c2mtest.Fault{Status: 400})
	code, stdout, stderr = invoke(t, "report", "--config", config, "--format", "csv")
	if code != exitFailed || !strings.Contains(stderr, "the transactions from") || !strings.Contains(stderr, "this report is partial") || !strings.HasPrefix(stdout, "key,calls,texts,conversations,skipped,failed,opted_out,attempted,") {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, stderr, stdout)
	}
}

func TestReportChoosesItsAPI(t *testing.T) {
	live := runAPI(t)
	api := reportC2M(t, nil)
	only := configFile(t, live.URL())
	both := reportFile(t, api.URL(), fmt.Sprintf("livedeflect: {site_id: \"38856538\", base_url: %q, consumer_key: appkey, token: apptoken}\n", live.URL()))
	for args, want := range map[string]string{
		"":                           "the configuration has several APIs: choose one, with --api livedeflect or c2m",
		"--api x":                    `--api "x" is no API: write livedeflect or c2m`,
		"--api c2m":                  "Connect to Messaging report",
		"--api livedeflect":          "LiveDeflect report",
		"--api c2m --by dialed":      "--by dialed: the report of Connect to Messaging does not tell it",
		"--api c2m --config " + only: "--api c2m: the configuration has no section c2m",
		"--config " + only:           "LiveDeflect report",
		"--api livedeflect --by day": "LiveDeflect report",
		"--config " + reportFile(t, api.URL(), ""): "Connect to Messaging report",
	} {
		all := append([]string{"report"}, strings.Fields(args)...)
		if !strings.Contains(args, "--config") {
			all = append(all, "--config", both)
		}
		code, stdout, stderr := invoke(t, all...)
		if text := stdout + stderr; !strings.Contains(text, want) || (code == exitUsage) != strings.Contains(text, "--") {
			t.Errorf("%s: exit code %d, %s", args, code, text)
		}
	}
}

func TestSettleOfC2M(t *testing.T) {
	api := reportC2M(t, nil)
	config := reportFile(t, api.URL(), "")
	unsent, sent := post(t, api, "eligibility", askSales), post(t, api, "eligibility", askSales)
	api.Inject(c2mtest.CallInvite, c2mtest.Fault{ResetAfter: true})
	post(t, api, "invite", `{"callId":"`+sent+`"}`)
	now := time.Now()
	old := now.Add(-26 * time.Minute)
	for _, tt := range []struct {
		callID string
		at     time.Time
		code   int
		want   string
	}{
		{sent, now, 0, `"result":"sent","external_id":"call-1","call_id":"` + sent + `","sent_at":"`},
		{unsent, now, exitFailed, `"result":"unknown","external_id":"call-1","call_id":"` + unsent + `","sent_at":null,"error":"the report shows no text yet`},
		{unsent, old, 0, `"result":"not_sent","external_id":"call-1","call_id":"` + unsent + `","sent_at":null,"error":""`},
		{"b52403dc-b140-45cc-a9ca-d749a39b1b56", old, exitFailed, `"result":"unknown","external_id":"call-1","call_id":"","sent_at":null,"error":"the report does not show the call`},
	} {
		code, stdout, stderr := invoke(t, "settle", "--config", config, "--external-id", "call-1", "--call-id", tt.callID, "--at", fmt.Sprint(tt.at.UnixMilli()))
		stdout = strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(stdout)
		if code != tt.code || stderr != "" || !strings.Contains(stdout, tt.want) {
			t.Errorf("exit code %d, stderr %q, stdout %s, want %s", code, stderr, stdout, tt.want)
		}
	}
}

func TestSettleUsageOfC2M(t *testing.T) {
	live := runAPI(t)
	only := configFile(t, live.URL())
	both := reportFile(t, "http://127.0.0.1:1", fmt.Sprintf("livedeflect: {site_id: \"38856538\", base_url: %q, consumer_key: appkey, token: apptoken}\n", live.URL()))
	for _, tt := range []struct {
		config, callID, want string
		code                 int
	}{
		{reportFile(t, "http://127.0.0.1:1", ""), "", "--call-id is missing: Connect to Messaging finds a text by its own callId alone", exitUsage},
		{only, "473513", "--call-id is for Connect to Messaging, and the configuration has no section c2m", exitUsage},
		// Nobody knows by which of the two it was sent.
		{both, "", "may have been sent by the other API", exitFailed},
	} {
		args := []string{"settle", "--config", tt.config, "--external-id", "call-1", "--at", fmt.Sprint(time.Now().Add(-time.Hour).Unix())}
		if tt.callID != "" {
			args = append(args, "--call-id", tt.callID)
		}
		if code, stdout, stderr := invoke(t, args...); code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit code %d, stdout %s, stderr %s", tt.want, code, stdout, stderr)
		}
	}
}
