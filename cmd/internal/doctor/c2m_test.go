package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

func TestAllIsWellWithConnectToMessaging(t *testing.T) {
	r := newC2MRig(t)
	got := map[string]string{}
	for _, f := range doctor.Examine(t.Context(), r.o) {
		got[f.Check] += f.Level.String() + " "
	}
	for check, level := range map[string]string{
		"configuration": "good ", "secrets": "good ", "domains": "good ", "names": "good ", "api": "good ", "certificate": "skipped ", "clock": "good ", "credentials": "good ",
	} {
		if diff := cmp.Diff(level, got[check]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", check, diff)
		}
	}
	r.want("domains", doctor.Good, "the Domain API tells 3 hosts of the account")
	r.want("credentials", doctor.Good, "Handoff and skill show only when it is asked about a number")
}

var c2mCures = []struct {
	name, check string
	level       doctor.Level
	text        string
	spoil       func(*rig)
	mend        func(r *rig, do string)
}{
	{"a Domain API that knows no such account", "domains", doctor.Bad, "the Domain API does not tell the hosts of the account: ",
		func(r *rig) { r.c2m.SetFault(c2mtest.CallDomain, &c2mtest.Fault{Status: 404}) },
		func(r *rig, do string) {
			r.has(do, "or name the hosts in the configuration (base_url, sentinel_url, reporting_url)")
			r.edit("  domain_url: ", strings.ReplaceAll("  base_url: URL\n  sentinel_url: URL\n  reporting_url: URL\n  domain_url: ", "URL", r.c2m.URL()))
		}},
	{"a Domain API that is away", "domains", doctor.Warning, "deflectd goes by what it was told before",
		func(r *rig) {
			dir := filepath.Join(r.dir, "state")
			j, err := journal.Open(dir, journal.Options{})
			must(r.t, err)
			host := `{"host":"` + strings.TrimPrefix(r.c2m.URL(), "http://") + `","at":"` + time.Now().Format(time.RFC3339) + `"}`
			must(r.t, j.SaveHosts([]byte(`{"account":"38856538","by":"`+r.c2m.URL()+`","hosts":{"connectToMessagingDomain":`+host+`,"sentinel":`+host+`}}`)))
			must(r.t, j.Close())
			r.c2m.SetFault(c2mtest.CallDomain, &c2mtest.Fault{Status: 500})
		},
		func(r *rig, do string) { r.has(do, "let this machine out"); r.c2m.SetFault(c2mtest.CallDomain, nil) }},
	{"a host that nobody knows", "names", doctor.Bad, "c2m.example is not found",
		func(r *rig) { r.edit("  domain_url: ", "  base_url: https://c2m.example\n  domain_url: ") },
		func(r *rig, do string) {
			r.has(do, "correct the name")
			r.edit("  base_url: https://c2m.example\n", "")
		}},
	{"nobody at the host", "api", doctor.Bad, "http://127.0.0.1:1 does not answer",
		func(r *rig) { r.edit("  domain_url: ", "  base_url: http://127.0.0.1:1\n  domain_url: ") },
		func(r *rig, do string) {
			r.has(do, "deflectctl simulate c2m), or correct c2m.base_url")
			r.edit("  base_url: http://127.0.0.1:1\n", "")
		}},
	{"a clock that is wrong", "clock", doctor.Warning, "texts in doubt, are judged by both",
		func(r *rig) { r.c2m.SetClock(10 * time.Minute) },
		func(r *rig, do string) { r.has(do, "timedatectl set-ntp true"); r.c2m.SetClock(0) }},
	{"another secret", "credentials", doctor.Bad, "there is no token: ",
		func(r *rig) { r.write(filepath.Join(r.dir, "client"), "opensesame-other") },
		func(r *rig, do string) {
			r.has(do, "compare c2m.client_id, the account, and the secret in its file")
			r.write(filepath.Join(r.dir, "client"), "opensesame-client")
		}},
	{"a report that is not for this app", "credentials", doctor.Bad, "the report of Connect to Messaging refuses these credentials",
		func(r *rig) { r.c2m.SetFault(c2mtest.CallTransactions, &c2mtest.Fault{Status: 403}) },
		func(r *rig, do string) {
			r.has(do, "ask LivePerson whether the app of c2m.client_id may use")
			r.c2m.SetFault(c2mtest.CallTransactions, nil)
		}},
	{"a token service that fails", "credentials", doctor.Warning, "it answers with HTTP 503",
		func(r *rig) { r.c2m.SetFault(c2mtest.CallToken, &c2mtest.Fault{Status: 503}) },
		func(r *rig, do string) {
			r.has(do, "look again in a minute")
			r.c2m.SetFault(c2mtest.CallToken, nil)
		}},
	{"no secret", "secrets", doctor.Bad, "c2m.client_secret_file: is missing",
		func(r *rig) { r.edit("  client_secret_file: client\n", "") },
		func(r *rig, do string) {
			r.has(do, "set DEFLECT_CLIENT_SECRET")
			r.env["DEFLECT_CLIENT_SECRET"] = "opensesame-client"
		}},
}

// Each check of Connect to Messaging is red once, and what its line says mends it.
func TestCuresOfConnectToMessaging(t *testing.T) {
	for _, tt := range c2mCures {
		t.Run(tt.check+": "+tt.name, func(t *testing.T) {
			t.Parallel()
			r := newC2MRig(t)
			tt.spoil(r)
			do := r.want(tt.check, tt.level, tt.text)
			tt.mend(r, do)
			r.well(tt.check)
		})
	}
}

// With both APIs each is asked, and one that fails does not hide the other.
func TestBothAPIs(t *testing.T) {
	r := newC2MRig(t)
	r.edit("c2m:\n", "livedeflect: {site_id: \"38856538\", base_url: \""+r.api.URL()+"\", consumer_key: appkey, token: apptoken, consumer_secret_file: consumer, token_secret_file: token}\nc2m:\n")
	r.want("credentials", doctor.Good, "the API gave the report of one second")
	r.want("credentials", doctor.Good, "Connect to Messaging gave the report of one second")
	must(t, os.WriteFile(filepath.Join(r.dir, "token"), []byte("opensesame-other"), 0o600))
	r.want("credentials", doctor.Bad, "the API refuses these keys")
	r.want("credentials", doctor.Good, "Connect to Messaging gave the report of one second")
}
