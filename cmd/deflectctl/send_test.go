package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

func TestSendTellsWhatCameOfIt(t *testing.T) {
	tests := []struct {
		name  string
		fault livedeflecttest.Fault
		args  []string
		code  int
		want  sendResult
	}{
		{"sent", livedeflecttest.Fault{}, nil, 0, sendResult{
			Outcome: "sent", Reason: "ok", CallID: "473513", ExternalID: "call-1", Attempts: 1, Status: 200,
		}},
		{"broken", livedeflecttest.Fault{Status: 503}, nil, exitFailed, sendResult{
			Outcome: "uncertain", Reason: "server_error", ExternalID: "call-1", Attempts: 1, Status: 503,
			Error: "HTTP 503 \"Service Unavailable\"",
		}},
		{"landline", livedeflecttest.Fault{}, []string{"--from", "+442079460018"}, exitFailed, sendResult{
			Outcome: "ineligible", Reason: "number_fixed_line", ExternalID: "call-1",
			Error: "ANI is a landline, which cannot get a text",
		}},
		{"malformed", livedeflecttest.Fault{}, []string{"--customer-id", "7", "--digits", "x"}, exitFailed, sendResult{
			Outcome: "failed", Reason: "invalid_call", ExternalID: "call-1",
			Error: "Digits holds something that is not DTMF (0-9, *, #, A-D); CustomerIDDescriptor is missing: customer id and descriptor go together",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := runAPI(t)
			api.Inject(tt.fault)
			args := append([]string{
				"send", "--config", configFile(t, api.URL()), "--from", caller, "--to", dialed, "--external-id", "call-1",
			}, tt.args...)
			code, stdout, stderr := invoke(t, args...)
			if code != tt.code || stderr != "" {
				t.Errorf("exit code %d, want %d, stderr %q", code, tt.code, stderr)
			}
			var got sendResult
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatalf("stdout is not JSON: %v\n%s", err, stdout)
			}
			if !strings.HasSuffix(got.Error, tt.want.Error) || (got.Error == "") != (tt.want.Error == "") {
				t.Errorf("error %q, want one that ends with %q", got.Error, tt.want.Error)
			}
			got.DurationMS, got.Error = 0, tt.want.Error
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// Who opted out is not texted by hand either.
func TestSendOptedOut(t *testing.T) {
	api := runAPI(t)
	list := filepath.Join(t.TempDir(), "do-not-text")
	name := configFile(t, api.URL())
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(data), "  - {name:", "  - {do_not_text_file: "+list+", name:", 1)
	if err := errors.Join(os.WriteFile(list, []byte(caller+"\n"), 0o644), os.WriteFile(name, []byte(with), 0o644)); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "send", "--config", name, "--from", caller, "--to", dialed)
	if code != exitFailed || !strings.Contains(stdout, `"opted_out"`) || stderr != "" {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if got := api.Sent(); len(got) != 0 {
		t.Errorf("%d texts were sent", len(got))
	}
}

// TestSendEveryField looks at what arrives: flags before the profile.
func TestSendEveryField(t *testing.T) {
	api := runAPI(t)
	code, stdout, _ := invoke(t, "send", "--config", configFile(t, api.URL()), "--from", caller, "--to", dialed,
		"--skill", "service", "--text", "Hi, there.", "--digits", "12#", "--first-name", "Ann", "--last-name", "Lee",
		"--customer-id", "7", "--customer-id-descriptor", "crm", "--info", `order={"id":12345678901234567890,"open":true}`,
		"--info", "note=a=b, c")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stdout)
	}
	sent := api.Sent()
	if len(sent) != 1 {
		t.Fatalf("%d texts were sent", len(sent))
	}
	got := sent[0]
	for _, f := range []struct{ name, got, want string }{
		{"skill", got.Skill, "service"}, {"text", got.DeflectionText, "Hi, there."}, {"tag", got.DeflectionTextTag, "tag-1"},
		{"digits", got.CallerEnteredDigits, "12#"}, {"names", got.FirstName + " " + got.LastName, "Ann Lee"},
		{"customer id", got.ExternalCustomerIDDescriptor + " " + got.ExternalCustomerID, "crm 7"},
		{"info", string(got.CallerInfo), `{"note":"a=b, c","order":{"id":12345678901234567890,"open":true}}`},
		{"handle", got.DeflectionHandle, "14043438646"},
	} {
		if f.got != f.want {
			t.Errorf("%s = %q, want %q", f.name, f.got, f.want)
		}
	}
	if !strings.HasPrefix(got.ExternalCallID, "send-") {
		t.Errorf("external call id = %q", got.ExternalCallID)
	}
}

var (
	nonces = regexp.MustCompile(`oauth_nonce="[A-Z2-7]{26}"`)
	stamps = regexp.MustCompile(`oauth_timestamp="[0-9]+"`)
	times  = regexp.MustCompile(`"(deflectionAcceptTime|callBeginTime)": "[0-9]{13}"`)
	port   = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
)

// stable replaces what differs from run to run.
func stable(s string) string {
	s = nonces.ReplaceAllString(s, `oauth_nonce="NONCE"`)
	s = stamps.ReplaceAllString(s, `oauth_timestamp="NOW"`)
	s = times.ReplaceAllString(s, `"$1": "NOW"`)
	return port.ReplaceAllString(s, "127.0.0.1:PORT")
}

func TestSendDryRun(t *testing.T) {
	api := runAPI(t)
	args := []string{
		"send", "--config", configFile(t, api.URL()), "--from", "(404) 343-8646", "--to", dialed, "--external-id", "call-1",
		"--info", `phone="+1 4043438646"`, "--info", "vip=true", "--dry-run",
	}
	code, stdout, stderr := invoke(t, args...)
	if code != 0 || stderr != "deflectctl: a dry run: nothing was sent (keys and numbers are hidden above)\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	golden(t, "dry_run.txt", stable(stdout))
	if n := len(api.Requests()); n != 0 {
		t.Errorf("a dry run sent %d requests", n)
	}

	var out, errOut strings.Builder
	run(append(args, "--show-numbers"), app{t.Context(), &out, &errOut, secretEnv})
	if !strings.Contains(out.String(), `"customerPhoneNumber": "4043438646"`) || !strings.Contains(errOut.String(), "(keys are hidden above)") {
		t.Errorf("numbers are masked although they were asked for:\n%s", out.String())
	}
	for _, tell := range []string{"opensesame", "appkey", "apptoken"} {
		if strings.Contains(stdout+out.String(), tell) {
			t.Errorf("a dry run shows %q", tell)
		}
	}
}

func TestSendUsage(t *testing.T) {
	file := configFile(t, "https://api.example")
	tests := []struct {
		name   string
		args   []string
		stderr string
	}{
		{"info without value", []string{"--to", dialed, "--info", "vip"}, "--info must be KEY=JSON"},
		{"info twice", []string{"--to", dialed, "--info", "a=1", "--info", "a=2"}, "--info a is given twice"},
		{"no profile", []string{"--to", "+18005550199"}, "no profile serves the number of --to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, append([]string{"send", "--config", file, "--from", caller}, tt.args...)...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
	if code, _, _ := invoke(t, "send", "--config", file+".none", "--from", caller, "--to", dialed); code != exitUsage {
		t.Errorf("without a configuration: exit code %d", code)
	}
}

func TestParseValue(t *testing.T) {
	for in, want := range map[string]any{
		"": "", "Large": "Large", "007": "007", "50": json.Number("50"), "1 2": "1 2", "true": true, "null": nil,
		`"Large"`: "Large", `[1,"a"]`: []any{json.Number("1"), "a"}, `{"a":`: `{"a":`,
	} {
		if diff := cmp.Diff(want, parseValue(in)); diff != "" {
			t.Errorf("parseValue(%q) (-want +got):\n%s", in, diff)
		}
	}
}

func TestDryRunHidesKeys(t *testing.T) {
	for in, want := range map[string]string{
		`OAuth oauth_consumer_key="a", oauth_nonce="b", oauth_signature="c", oauth_signature_method="HMAC-SHA1", oauth_token="d"`: `OAuth oauth_consumer_key="[redacted]", oauth_nonce="b", oauth_signature="[redacted]", oauth_signature_method="HMAC-SHA1", oauth_token="[redacted]"`,
		"Bearer abc": "Bearer [redacted]",
	} {
		if got := hideKeys(in); got != want {
			t.Errorf("hideKeys(%q) = %q, want %q", in, got, want)
		}
	}
}
