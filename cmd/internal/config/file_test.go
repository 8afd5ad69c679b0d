package config

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func load(t *testing.T, name string, getenv func(string) string) File {
	t.Helper()
	f, err := Load(filepath.Join("testdata", "good", name), getenv)
	if err != nil {
		t.Fatalf("Load() error:\n%v", err)
	}
	return f
}

var sameAuth = cmp.Options{
	cmpopts.IgnoreUnexported(liveperson.OAuth1{}),
	cmp.Comparer(func(a, b *donottext.File) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestLoadEveryKey(t *testing.T) {
	f := load(t, "full.yaml", nothing)
	wantAPI := livedeflect.Config{
		SiteID: "38856538", Domain: "va",
		Auth:     liveperson.OAuth1{ConsumerKey: "KEY", ConsumerSecret: deflect.NewSecret("opensesame-1"), Token: "TOKEN", TokenSecret: deflect.NewSecret("opensesame-2")},
		TimeUnit: livedeflect.Seconds, TextTagField: livedeflect.TagTagText, TrunkPrefix: true,
		Report: livedeflect.ReportConfig{Window: 30 * time.Minute, Parallel: 2},
	}
	if diff := cmp.Diff(wantAPI, f.LiveDeflect, sameAuth); diff != "" {
		t.Errorf("LiveDeflect (-want +got):\n%s", diff)
	}
	if want := (funnel.LiveConfig{Every: 2 * time.Minute, Lookback: 3 * time.Hour}); f.Funnel != want {
		t.Errorf("Funnel = %+v, want %+v", f.Funnel, want)
	}
	if diff := cmp.Diff([]string{C2M, LiveDeflect}, f.APIs); diff != "" || !f.Speaks(LiveDeflect) || !f.Speaks(C2M) || f.API() != LiveDeflect {
		t.Errorf("APIs (-want +got):\n%s", diff)
	}
	wantC2M := &c2m.Config{
		Account: "38856538", HandoffID: "H123456789", BaseURL: "https://va.connect-to-messaging.liveperson.net",
		ReportingURL: "https://va.cx-reporting.liveperson.net",
		TicketAge:    5 * time.Minute, Channels: []c2m.Channel{c2m.WhatsApp, c2m.SMS}, IVRNumber: "+448005550100", RatePerSecond: 20,
	}
	if diff := cmp.Diff(wantC2M, f.C2M, cmpopts.IgnoreFields(c2m.Config{}, "Auth")); diff != "" {
		t.Errorf("C2M (-want +got):\n%s", diff)
	}
	wantAuth := &liveperson.OAuth2{
		Account: "38856538", ClientID: "CLIENT", ClientSecret: deflect.NewSecret("opensesame-5"), URL: "https://va.sentinel.liveperson.net",
	}
	if f.C2M.Auth != liveperson.Kept(f.C2M.Auth, wantAuth) {
		t.Errorf("Auth of C2M = %v, want %v", f.C2M.Auth, wantAuth)
	}
	if s := f.Shifts; s == nil || s.Account != "38856538" || s.Auth != f.C2M.Auth || s.URL != "https://va.shift-status.example" {
		t.Errorf("Shifts = %+v", s)
	}
	want := deflect.Config{
		LiveDeadline: 3 * time.Second, AskDeadline: 500 * time.Millisecond, DefaultRegion: "GB", NumberCheck: deflect.PossibleNumbers, MaxTextLength: 480,
		Breaker:      deflect.BreakerConfig{Failures: 3, OpenFor: time.Minute},
		Settle:       deflect.SettleConfig{Disabled: true, After: 20 * time.Second, Limit: 30 * time.Minute, Max: 50},
		MaxCooldowns: 5000, JournalOptional: true, Remember: 48 * time.Hour,
	}
	if diff := cmp.Diff(want, f.Deflect, sameAuth); diff != "" {
		t.Errorf("Deflect (-want +got):\n%s", diff)
	}
	prompts := freeswitch.Prompts{
		Offer: "ivr/offer.wav", Wait: "ivr/wait.wav", Sent: "ivr/sent.wav", Failed: "ivr/failed.wav", Uncertain: "tone_stream://%(300,0,440);loops=2",
		AlreadySent: "ivr/already.wav", Confirm: "ivr/confirm.wav", Number: "ivr/number.wav", NumberConfirm: "ivr/right.wav",
		NumberInvalid: freeswitch.None, LaterOffer: "ivr/later.wav", LaterAccepted: "ivr/later_accepted.wav",
	}
	rest := prompts
	rest.LaterOffer, rest.LaterAccepted = "/srv/sounds/ivrdeflect/en/later_offer.wav", "/srv/sounds/ivrdeflect/en/later_accepted.wav"
	wantFS := freeswitch.Config{
		Allow:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		MaxCalls: 500, DrainTimeout: 45 * time.Second, FirstFrameTimeout: 2 * time.Second, IdleTimeout: 90 * time.Second,
		Variables: []string{"deflect_profile", "deflect_info_plan"}, Sounds: "/srv/sounds/ivrdeflect",
		Inbound: []freeswitch.Switch{
			{Name: "fs1", Address: "10.0.0.2:8021", Password: deflect.NewSecret("opensesame-3")},
			{Name: "fs-2", Address: "[fd00::2]:8021", Password: deflect.NewSecret("opensesame-3")},
		},
		Profiles: []freeswitch.Profile{
			{
				Name: "sales", Dialed: []string{"+448005550100", "0800 555 0101"}, Skill: "sales",
				Text:    "Thanks for calling.\nReply here, and an agent will help you.",
				TextTag: "template-1", HandoffID: "H987654321", TemplateVariables: map[string]string{"1": "Sales", "2": ""}, AcceptDigit: "5", DeclineDigit: "#", Repeat: 2, Gap: 2500 * time.Millisecond,
				Rules: deflect.Rules{
					Countries: []string{"GB", "IE"}, LineTypes: deflect.StrictLineTypes,
					Hours: deflect.Hours{
						Zone: "Europe/London", Week: map[string][]string{"mon-fri": {"09:00-12:00", "13:00-17:00"}, "sat": {"22:00-02:00"}},
						Holidays: []string{"2026-12-25", "2026-12-28"},
					},
					Agents: nobodyAsked{}, AgentsUnknown: deflect.RefuseUnknown,
					MinWait: 90 * time.Second, Withhold: 75, DoNotText: notShared{}, Cooldown: time.Hour,
					Budget:  deflect.Budget{Texts: 60, Per: 10 * time.Minute},
					Consent: deflect.ConsentRequired, AskNumber: true,
					Later: deflect.Later{Closed: 16 * time.Hour, Failed: time.Hour, Spread: 20 * time.Minute},
				},
				OnSent:  freeswitch.OnSent{Transfer: "9999 XML default"},
				Confirm: true, ConfirmGap: 20 * time.Second,
				NumberEntry: freeswitch.NumberEntry{MinDigits: 10, MaxDigits: 13, Terminator: "*", Gap: 4 * time.Second, Tries: 2},
				Language:    "en-GB", Prompts: prompts,
				Languages: map[string]freeswitch.Translation{"cy": {Text: freeswitch.None, Prompts: freeswitch.Prompts{
					Offer: "cy/offer.wav", Wait: freeswitch.None, Sent: "cy/sent.wav", Failed: "cy/failed.wav", Uncertain: freeswitch.None,
					AlreadySent: "cy/already.wav", Confirm: "cy/confirm.wav", Number: "cy/number.wav", NumberConfirm: "cy/right.wav",
					NumberInvalid: freeswitch.None, LaterOffer: "cy/later.wav", LaterAccepted: freeswitch.None,
				}}},
			},
			{
				Name: "rest", Skill: "service", Text: freeswitch.None, AcceptDigit: "1", DeclineDigit: "2", Repeat: 1, Gap: 3 * time.Second,
				Rules:      deflect.Rules{Withhold: 100, Cooldown: 15 * time.Minute, NoCooldown: true, Later: deflect.Later{Spread: 10 * time.Minute}},
				ConfirmGap: 15 * time.Second, NumberEntry: freeswitch.NumberEntry{MinDigits: 7, MaxDigits: 15, Terminator: "#", Gap: 5 * time.Second, Tries: 3},
				Language: "en", Prompts: rest,
			},
		},
	}
	if len(f.Lists) != 1 || f.Lists[0].Len() != 2 {
		t.Errorf("do-not-text lists: %v", f.Lists)
	} else if held, err := f.Lists[0].Holds(t.Context(), "+447911123456"); !held || err != nil {
		t.Errorf("a number of the list: %t, %v", held, err)
	}
	if diff := cmp.Diff(wantFS, f.FreeSWITCH, sameAuth); diff != "" {
		t.Errorf("FreeSWITCH (-want +got):\n%s", diff)
	}
	wantFleet := &fleet.Config{
		Addresses: []string{"fleet.example:6380"}, DB: 2, Username: "deflectd", Password: deflect.NewSecret("opensesame-4"),
		Prefix: "fleet:", Key: bytes.Repeat([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, 4), Timeout: 200 * time.Millisecond, WaitReplicas: 1,
	}
	if diff := cmp.Diff(wantFleet, f.Fleet, cmpopts.IgnoreFields(fleet.Config{}, "TLS")); diff != "" || f.AwayLocal || f.FleetErr != nil {
		t.Errorf("Fleet (-want +got):\n%s\nlocal %t, %v", diff, f.AwayLocal, f.FleetErr)
	}
	if f.Fleet.TLS == nil || f.Fleet.TLS.RootCAs == nil {
		t.Errorf("TLS = %+v", f.Fleet.TLS)
	}
	if f.StateDir != "/var/lib/deflectd" {
		t.Errorf("StateDir = %q", f.StateDir)
	}
	if f.OutboundListen != "10.0.0.1:8084" || f.HTTPListen != "0.0.0.0:9180" {
		t.Errorf("listens on %q and %q", f.OutboundListen, f.HTTPListen)
	}
	if want := (Log{Level: "debug", Format: "text"}); f.Log != want {
		t.Errorf("Log = %+v, want %+v", f.Log, want)
	}
}

func TestLoadDefaults(t *testing.T) {
	f := load(t, "minimal.yaml", consumer)
	want := deflect.DefaultConfig()
	want.Logger = nil
	wantAPI := livedeflect.DefaultConfig()
	wantAPI.Logger = nil
	wantAPI.SiteID, wantAPI.BaseURL = "38856538", "https://api.example/live"
	wantAPI.Auth = liveperson.OAuth1{ConsumerKey: "KEY", ConsumerSecret: deflect.NewSecret(secret)}
	if diff := cmp.Diff(wantAPI, f.LiveDeflect, sameAuth); diff != "" {
		t.Errorf("LiveDeflect (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, f.Deflect, sameAuth); diff != "" {
		t.Errorf("Deflect (-want +got):\n%s", diff)
	}
	wantFS := freeswitch.DefaultConfig()
	wantFS.Logger = nil
	wantFS.Profiles = []freeswitch.Profile{freeswitch.Profile{
		Name: "all", Skill: "service", Prompts: freeswitch.Prompts{Offer: "ivr/offer.wav"},
	}.WithDefaults("ivrdeflect")}
	if diff := cmp.Diff(wantFS, f.FreeSWITCH, sameAuth); diff != "" {
		t.Errorf("FreeSWITCH (-want +got):\n%s", diff)
	}
	if f.OutboundListen != "127.0.0.1:8084" || f.HTTPListen != "127.0.0.1:9180" || f.Log != (Log{"info", "json"}) {
		t.Errorf("got %q, %q, %+v", f.OutboundListen, f.HTTPListen, f.Log)
	}
}

func TestLoadUnreadableFile(t *testing.T) {
	_, err := Load("testdata/none.yaml", nothing)
	if err == nil || !strings.HasPrefix(err.Error(), "testdata/none.yaml: cannot be read: ") {
		t.Errorf("Load() error = %v", err)
	}
}

func TestParseRefusesHugeFile(t *testing.T) {
	_, err := Parse("huge.yaml", make([]byte, maxFileBytes+1), nothing)
	if err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("Parse() error = %v", err)
	}
}

func TestWarnsOfOpenSecretsAndNoSkill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of files mean something else there")
	}
	dir := t.TempDir()
	keep := func(mode os.FileMode) string {
		name := filepath.Join(dir, mode.String())
		if err := os.WriteFile(name, []byte(secret+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const base = `
livedeflect: {site_id: "1", domain: va, consumer_key: KEY, consumer_secret_file: FILE}
profiles:
  - {name: all, prompts: {offer: a.wav}, skill: "SKILL"}
`
	tests := []struct {
		name, file, skill string
		want              []Problem
	}{
		{"none", keep(0o640), "sales", nil},
		{"readable by all", keep(0o644), "sales", []Problem{{
			2, "livedeflect.consumer_secret_file", "can be read by every user of this machine: chmod o-rwx it",
		}}},
		{"no skill", keep(0o600), "", []Problem{{
			4, "profiles[0].skill", "is missing: only calls that set the channel variable deflect_skill are offered a text",
		}}},
		{"no skill, and a language", keep(0o600), "\", language: en, languages: {en-GB: {}}, text_tag: \"", []Problem{{
			4, "profiles[0].skill", "is missing: only calls that set the channel variable deflect_skill are offered a text",
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := strings.NewReplacer("FILE", tt.file, "SKILL", tt.skill).Replace(base)
			f, err := Parse("x.yaml", []byte(data), nothing)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, f.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProfileServesItsNumbers(t *testing.T) {
	f := load(t, "full.yaml", nothing)
	tests := []struct{ dialed, want string }{
		{"+448005550100", "sales"},
		{"0800 555 0100", "sales"},
		{"+448005550101", "sales"},
		{"+448005550199", "rest"},
		{"100", "rest"},
		{"", "rest"},
	}
	for _, tt := range tests {
		p, ok := f.Profile(phone.Number(tt.dialed), "")
		if !ok || p.Name != tt.want {
			t.Errorf("Profile(%q) = %q, %v, want %q", tt.dialed, p.Name, ok, tt.want)
		}
	}
	f.FreeSWITCH.Profiles = f.FreeSWITCH.Profiles[:1]
	if p, ok := f.Profile("+448005550199", ""); ok {
		t.Errorf("Profile() of a number that nobody serves = %q", p.Name)
	}
}

// The polls of the report are as often as the file says that they may be, or never: it says
// so in words of its own, and their owner decides.
func TestReportEveryIsWithinWhatIsSaid(t *testing.T) {
	for every, right := range map[time.Duration]bool{
		0: true, time.Second: true, 24 * time.Hour: true,
		time.Second - 1: false, 24*time.Hour + 1: false,
	} {
		f := File{Funnel: funnel.LiveConfig{Every: every, Lookback: 24 * time.Hour}}
		if every > f.Funnel.Lookback {
			f.Funnel.Lookback = every
		}
		err := f.validateFunnel()
		if right && err != nil || !right && (err == nil || !strings.HasSuffix(err.Error(), "; must be 0 for never, or between 1s and 24h")) {
			t.Errorf("every %s: %v", every, err)
		}
	}
}
