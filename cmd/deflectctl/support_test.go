package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	caller = "+14043438646"
	dialed = "+18005550100"
)

// tells are what must never be shown.
var tells = []string{"4043438646", "8005550100", "opensesame", demoConsumerSecret, demoTokenSecret, demoClientSecret, demoPassword}

// secretEnv is an environment with both secrets.
func secretEnv(name string) string {
	return map[string]string{
		"DEFLECT_CONSUMER_SECRET": "opensesame-consumer", "DEFLECT_TOKEN_SECRET": "opensesame-token",
	}[name]
}

// invoke runs deflectctl and looks for what must not be shown.
func invoke(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut strings.Builder
	code = run(args, app{context.Background(), &out, &errOut, secretEnv})
	shows(t, out.String()+errOut.String())
	return code, out.String(), errOut.String()
}

func shows(t testing.TB, text string) {
	t.Helper()
	for _, tell := range tells {
		if strings.Contains(text, tell) {
			t.Errorf("the output shows %q:\n%s", tell, text)
		}
	}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenBut(t, name, got, func(s string) string { return s })
}

// goldenBut is golden of what a function makes of both.
func goldenBut(t *testing.T, name, got string, what func(string) string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(what(string(want)), what(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// runAPI runs the API with the keys of configFile.
func runAPI(t *testing.T) *livedeflecttest.Server {
	t.Helper()
	return livedeflecttest.RunT(t, livedeflecttest.Config{
		SiteID: "38856538", ConsumerKey: "appkey", ConsumerSecret: "opensesame-consumer",
		Token: "apptoken", TokenSecret: "opensesame-token",
	})
}

func configFile(t *testing.T, api string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "deflectd.yaml")
	data := fmt.Sprintf(`livedeflect: {site_id: "38856538", base_url: %q, consumer_key: appkey, token: apptoken}
freeswitch: {outbound: {listen: "127.0.0.1:0"}}
http: {listen: "127.0.0.1:0"}
profiles:
  - {name: sales, dialed: ["+18005550100"], skill: sales, text: "Hello.", text_tag: tag-1, cooldown: 0s, prompts: {wait: "", sent: "", failed: "", uncertain: ""}}
`, api)
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// journeys are the calls of a report without errors.
func journeys(events []livedeflect.Event) []funnel.Journey {
	return funnel.Collect(func(yield func(livedeflect.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}, func(error) {})
}
