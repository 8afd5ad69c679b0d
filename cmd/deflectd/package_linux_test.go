package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// The unit gives away little: what systemd itself thinks of it, from 0 (good) to 10.
func TestUnitIsHardened(t *testing.T) {
	const most = 1.5
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here (Debian's package systemd)")
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "package/deflectd.service").CombinedOutput()
	m := regexp.MustCompile(`Overall exposure level for deflectd.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		if strings.Contains(string(out), "unrecognized option") {
			t.Skip("this systemd-analyze is too old to look at a file")
		}
		t.Fatalf("%v:\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > most {
		t.Errorf("its exposure is %s, want %v at most:\n%s", m[1], most, out)
	}
}

// systemd understands every line of the units, as far as it can tell without the program.
func TestUnitsAreUnderstood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here (Debian's package systemd)")
	}
	dir := t.TempDir()
	for _, name := range []string{"deflectd.service", "deflectd.socket", "deflectd-http.socket"} {
		raw, err := os.ReadFile(filepath.Join("package", name))
		if err != nil {
			t.Fatal(err)
		}
		// Programs that are there, and no page that is not.
		text := regexp.MustCompile(`/usr/bin/deflect(d|ctl)`).ReplaceAllString(string(raw), "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, "deflectd.service"), filepath.Join(dir, "deflectd.socket"), filepath.Join(dir, "deflectd-http.socket"))
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze is too old")
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, "deflectd") {
			t.Errorf("%s", line)
		}
	}
	if err != nil && !t.Failed() {
		t.Logf("of other units: %v:\n%s", err, out)
	}
}

// What keeps deflectd from starting does not do so for good: systemd would give a unit up
// that was started five times in ten seconds, and with a socket what requires it.
func TestUnitsAreNotGivenUp(t *testing.T) {
	for _, name := range []string{"deflectd.service", "deflectd.socket", "deflectd-http.socket"} {
		raw, err := os.ReadFile(filepath.Join("package", name))
		if err != nil {
			t.Fatal(err)
		}
		if unit, _, _ := strings.Cut(string(raw), "\n\n["); !strings.Contains(unit, "\nStartLimitIntervalSec=0") {
			t.Errorf("%s has a limit of starts", name)
		}
	}
}

// The scripts of the package ask systemd for the same with the arguments of Debian and of
// RPM, and what it does not do leaves no package half installed.
func TestMaintainerScripts(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	stub := "#!/bin/sh\necho \"$@\" >>" + log + "\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	const (
		reload  = "daemon-reload\n"
		restart = "try-restart deflectd.service\n"
		disable = "disable --now deflectd.socket deflectd-http.socket deflectd.service\n"
	)
	for _, tt := range []struct{ args, want string }{
		{"postinstall configure", reload},
		{"postinstall configure 1.0", reload + restart},
		{"postinstall abort-upgrade 1.0", reload},
		{"postinstall 1", reload},
		{"postinstall 2", reload + restart},
		{"preremove remove", disable},
		{"preremove upgrade 2.0", ""},
		{"preremove 0", disable},
		{"preremove 1", ""},
		{"postremove remove", reload},
		{"postremove upgrade 2.0", reload},
		{"postremove 0", reload},
		{"postremove 1", reload},
	} {
		script, args, _ := strings.Cut(tt.args, " ")
		raw, err := os.ReadFile(filepath.Join("package", script+".sh"))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(log)
		text := strings.ReplaceAll(string(raw), "/run/systemd/system", dir)
		cmd := exec.Command("/bin/sh", append([]string{"-c", text, script}, strings.Fields(args)...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", tt.args, err, out)
		}
		if asked, _ := os.ReadFile(log); string(asked) != tt.want {
			t.Errorf("%s asks for %q, want %q", tt.args, asked, tt.want)
		}
	}
}

// The configuration that the package brings lacks nothing but what is the user's, and
// listens where the sockets of systemd are.
func TestPackagedConfiguration(t *testing.T) {
	raw, err := os.ReadFile("package/deflectd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`"SITE"`, `"38856538"`, "/var/lib/deflectd", t.TempDir()).Replace(string(raw))
	name := filepath.Join(t.TempDir(), "deflectd.yaml")
	if err := os.Mkdir(filepath.Join(filepath.Dir(name), "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{name: text, filepath.Join(filepath.Dir(name), "secrets", "consumer"): "opensesame"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := config.Load(name, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range f.Warnings {
		t.Errorf("a warning: %v", config.Located(name, w))
	}
	for unit, address := range map[string]string{"deflectd.socket": f.OutboundListen, "deflectd-http.socket": f.HTTPListen} {
		raw, err := os.ReadFile(filepath.Join("package", unit))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), "\nListenStream="+address+"\n") {
			t.Errorf("%s does not listen on %s", unit, address)
		}
	}
}
