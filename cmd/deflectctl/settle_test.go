package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// sendUncertain sends a text whose answer gets lost.
func sendUncertain(t *testing.T, api *livedeflecttest.Server, config, id string, fault livedeflecttest.Fault) {
	t.Helper()
	api.Inject(fault)
	code, stdout, _ := invoke(t, "send", "--config", config, "--from", caller, "--to", dialed, "--external-id", id)
	if code != exitFailed || !strings.Contains(stdout, `"outcome": "uncertain"`) {
		t.Fatalf("exit code %d, stdout %s", code, stdout)
	}
}

func TestSettleTellsWhetherATextWentOut(t *testing.T) {
	api := runAPI(t)
	config := configFile(t, api.URL())
	began := time.Now()
	sendUncertain(t, api, config, "call-1", livedeflecttest.Fault{ResetAfter: true})
	for _, at := range []string{
		began.UTC().Format(time.RFC3339), fmt.Sprint(began.Unix()), fmt.Sprint(began.UnixMilli()),
		began.Add(-5 * time.Minute).In(time.FixedZone("", 3600)).Format(time.RFC3339),
	} {
		code, stdout, stderr := invoke(t, "settle", "--config", config, "--external-id", "call-1", "--at", at)
		var got settleResult
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("stdout %q: %v", stdout, err)
		}
		if code != 0 || stderr != "" || got.Result != "sent" || got.ExternalID != "call-1" || got.CallID != "473513" || got.Error != "" {
			t.Errorf("--at %s: exit code %d, stderr %q, %+v", at, code, stderr, got)
		}
		if got.SentAt == nil || got.SentAt.Before(began.Truncate(time.Millisecond)) || got.SentAt.After(time.Now()) {
			t.Errorf("sent at %v", got.SentAt)
		}
	}
}

func TestSettleWithoutText(t *testing.T) {
	api := runAPI(t)
	config := configFile(t, api.URL())
	sendUncertain(t, api, config, "call-1", livedeflecttest.Fault{Status: 500})
	now := time.Now()
	tests := []struct {
		name  string
		at    time.Time
		fault *livedeflecttest.Fault
		code  int
		want  string
	}{
		{"too early", now, nil, exitFailed, `{"result":"unknown","external_id":"call-1","call_id":"","sent_at":null,"error":"the report shows no text yet, which may be its lag: ask again later"}`},
		{"after the limit", now.Add(-11 * time.Minute), nil, 0, `{"result":"not_sent","external_id":"call-1","call_id":"","sent_at":null,"error":""}`},
		{"the keys are refused", now.Add(-11 * time.Minute), &livedeflecttest.Fault{Status: 401}, exitFailed, "ask LivePerson whether these keys may read reports"},
		{"no report", now.Add(-11 * time.Minute), &livedeflecttest.Fault{Body: "<html>"}, exitFailed, "the answer is an HTML page, not JSON"},
	}
	for _, tt := range tests {
		api.SetReportFault(tt.fault)
		code, stdout, stderr := invoke(t, "settle", "--config", config, "--external-id", "call-1", "--at", tt.at.Format(time.RFC3339))
		stdout = strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(stdout)
		if code != tt.code || stderr != "" || !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: exit code %d, stderr %q, stdout %s, want %s", tt.name, code, stderr, stdout, tt.want)
		}
	}
}

func TestSettleUsage(t *testing.T) {
	config := configFile(t, "http://127.0.0.1:1")
	for at, want := range map[string]string{
		"yesterday":            `--at "yesterday" is no time: write 2026-11-21T09:30:00Z, or seconds or milliseconds since 1970`,
		"2026-11-21":           `--at "2026-11-21" is no time`,
		"2026-11-21T09:30:00":  `is no time`,
		"-5":                   `is no time`,
		"":                     `is no time`,
		"99999999999":          `is still to come`,
		"2999-01-01T00:00:00Z": `is still to come`,
		"0":                    `is before there were texts`,
	} {
		code, _, stderr := invoke(t, "settle", "--config", config, "--external-id", "x", "--at="+at)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("--at %s: exit code %d, stderr %q", at, code, stderr)
		}
	}
	for _, id := range []string{"?", "case-***01"} { // which a report does not show, and so a text would count as not sent
		code, stdout, stderr := invoke(t, "settle", "--config", config, "--external-id="+id, "--at", "1795000000")
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "is as the log masks it") {
			t.Errorf("--external-id %q: exit code %d, stderr %q, stdout %s", id, code, stderr, stdout)
		}
	}
	for _, id := range []string{"", " call-1", "call-1\n"} {
		code, stdout, stderr := invoke(t, "settle", "--config", config, "--external-id="+id, "--at", "1795000000")
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "is empty or has blanks around it") {
			t.Errorf("--external-id %q: exit code %d, stderr %q, stdout %s", id, code, stderr, stdout)
		}
	}
}
