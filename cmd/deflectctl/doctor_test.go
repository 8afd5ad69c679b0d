package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

// doctorLine is a line of what doctor prints.
var doctorLine = regexp.MustCompile(`^(good|skipped|WARNING|BAD) +(\w+|event socket)  +\S`)

// All in one look: a line a check, what to do below, an exit code for scripts. No text is sent.
func TestDoctor(t *testing.T) {
	api := runAPI(t)
	name := configFile(t, api.URL())
	code, stdout, stderr := invoke(t, "doctor", "--config", name)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "\ngood     credentials    accepted") || !strings.Contains(stdout, "\n0 bad, 1 warning, ") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	lines, todo := 0, 0
	for line := range strings.Lines(stdout) {
		switch {
		case doctorLine.MatchString(line):
			lines++
		case strings.HasPrefix(line, "         -> "):
			todo++
		}
	}
	if lines < 19 || todo == 0 || lines+todo+2 != strings.Count(stdout, "\n") {
		t.Errorf("%d lines of checks, %d of what to do:\n%s", lines, todo, stdout)
	}

	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := checksOf(string(readme)), checksOf(stdout); !slices.Equal(got, want) {
		t.Errorf("README.md shows the checks\n%q, and there are\n%q", got, want)
	}

	replace(t, name, "apptoken", "othertoken")
	if code, stdout, stderr = invoke(t, "doctor", "--config", name); code != exitFailed || stderr != "" || !strings.Contains(stdout, "\nBAD      credentials") {
		t.Errorf("another token: exit code %d: %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = invoke(t, "doctor", "--config", name, "--json")
	var out struct {
		Level    string
		Findings []struct{ Check, Level, Text, Do string }
	}
	if err = json.Unmarshal([]byte(stdout), &out); err != nil || code != exitFailed || stderr != "" || out.Level != "bad" || len(out.Findings) < 19 {
		t.Errorf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	for _, f := range out.Findings {
		if f.Check == "credentials" && (f.Level != "bad" || f.Text == "" || f.Do == "") {
			t.Errorf("%+v", f)
		}
	}
	if sent := api.Sent(); len(sent) > 0 {
		t.Errorf("texts were sent: %+v", sent)
	}
}

// checksOf are the checks of an output, or of a page that shows one.
func checksOf(text string) (names []string) {
	for line := range strings.Lines(text) {
		if m := doctorLine.FindStringSubmatch(line); m != nil {
			names = append(names, m[2])
		}
	}
	return slices.Compact(names)
}

func TestDoctorUsage(t *testing.T) {
	name := configFile(t, "http://127.0.0.1:1")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "--config"},
		{[]string{"--config", name, "--switch", "fs1"}, `--switch "fs1" is no address of an event socket: write HOST:PORT`},
		{[]string{"--config", name, "--switch", "127.0.0.1:8021"}, "needs the password of its event socket in DEFLECT_FREESWITCH_PASSWORD"},
	} {
		if code, stdout, stderr := invoke(t, append([]string{"doctor"}, tt.args...)...); code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit code %d: %s%s", tt.args, code, stdout, stderr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := run([]string{"doctor", "--config", name}, app{ctx, &out, &out, secretEnv}); code != exitFailed || !strings.HasPrefix(out.String(), "deflectctl: stopped") {
		t.Errorf("stopped: exit code %d: %s", code, &out)
	}
	// A file that cannot be read is what it is for.
	if code, stdout, stderr := invoke(t, "doctor", "--config", name+".none"); code != exitFailed || stderr != "" || !strings.HasPrefix(stdout, "BAD      configuration  ") {
		t.Errorf("no file: exit code %d: %s%s", code, stdout, stderr)
	}
}

// A switch that is named by hand, whose words do not reach the terminal as they are.
func TestDoctorOfASwitch(t *testing.T) {
	sw := &freeswitchtest.Switch{
		Password: "opensesame-switch",
		Globals:  map[string]string{"sound_prefix": "/none\x1b[31m", "playback_terminators": "1\x1b]0;x\x07"},
		Contexts: map[string]string{"public": `<extension name="own"><condition field="destination_number" expression="."><action application="park"></action></condition></extension>`},
	}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	defer sw.Stop()
	var out strings.Builder
	args := []string{"doctor", "--config", configFile(t, runAPI(t).URL()), "--switch", sw.Addr()}
	code := run(args, app{t.Context(), &out, &out, func(name string) string {
		if name == switchPasswordEnv {
			return "opensesame-switch"
		}
		return secretEnv(name)
	}})
	shows(t, out.String())
	if code != exitFailed || strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("exit code %d: %q", code, out.String())
	}
	for _, want := range []string{
		"good     switch         " + sw.Addr() + " is FreeSWITCH 1.10.12", "BAD      dialplan       ", "BAD      prompts        ", "WARNING  keys ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
}

// A deflectd that runs is known by its HTTP port, also where that wants a password.
func TestDoctorOfAProtectedDaemon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "opensesame-web" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, `deflectd_build_info{goversion="go1.26",revision="abc",version="v9.8.7"} 1`)
	})}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	name := configFile(t, runAPI(t).URL())
	replace(t, name, `http: {listen: "127.0.0.1:0"}`, fmt.Sprintf("http: {listen: %q}", l.Addr()))
	_, stdout, _ := invoke(t, "doctor", "--config", name)
	if !strings.Contains(stdout, "\nskipped  ports ") || !strings.Contains(stdout, "it asks for a password: give --http.config.file") || strings.Contains(stdout, "BAD      ports") {
		t.Errorf("without a password:\n%s", stdout)
	}
	access := filepath.Join(t.TempDir(), "http.yaml")
	if err := os.WriteFile(access, []byte("basic_auth: {username: ops, password: opensesame-web}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ = invoke(t, "doctor", "--config", name, "--http.config.file", access); !strings.Contains(stdout, "deflectd v9.8.7 runs") {
		t.Errorf("with one:\n%s", stdout)
	}
}
