package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
)

// No call is made where people could get texts, and what to do is said.
func TestLoadRefusesRealTexts(t *testing.T) {
	api := runAPI(t)
	double := loadDaemon(t, api)
	real := 0
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			real++
		}
		io.WriteString(w, `{"callId":"1","success":"true"}`)
	}))
	t.Cleanup(vendor.Close)
	production := runDaemonWith(t, configFile(t, vendor.URL))
	older := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(older.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }))
	t.Cleanup(page.Close)
	everywhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"simulated": true, "outbound": "[::]:8084"}`)
	}))
	t.Cleanup(everywhere.Close)
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }))
	t.Cleanup(busy.Close)
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	for _, tt := range []struct {
		name, daemon, http, want string
	}{
		{"an account", production, httpOf(production), "is no simulator: LiveDeflect: it does not prove to be a simulator (status 200)"},
		{"another one's HTTP port", production, httpOf(double), "takes no calls at " + production + ", but at " + double},
		{"nobody's HTTP port", double, "127.0.0.1:1", "cannot be asked whether its API is a simulator"},
		{"the usual HTTP port", "127.0.0.1:8", "", "127.0.0.1:9180"},
		{"an older one", double, host(older.URL), "does not say whether its API is a simulator (status 404)"},
		{"a page", double, host(page.URL), "does not say whether its API is a simulator"},
		{"a machine that is not the HTTP port's", "192.0.2.1:8084", host(everywhere.URL), "is not of the machine of 192.0.2.1:8084"},
		{"as many ask as may", double, host(busy.URL), "because many ask: try again"},
		{"one of two", double + "|" + production, httpOf(double) + "|" + httpOf(production), "the deflectd at " + production + " is no simulator"},
		{"too few HTTP ports", double + "|" + double, httpOf(double), "--http must have as many"},
		{"another one with the same port", strings.Replace(double, "127.0.0.1", "127.0.0.2", 1), httpOf(double), "takes no calls at 127.0.0.2:"},
		{"another machine", strings.Replace(double, "127.0.0.1", "192.0.2.1", 1), httpOf(double), "takes no calls at 192.0.2.1:"},
	} {
		args := []string{"load", "--daemon", tt.daemon, "--rate", "100", "--calls", "2", "--hold", "20ms", "--press-share", "1"}
		if tt.http != "" {
			args = append(args, "--http", tt.http)
		}
		code, stdout, stderr := invoke(t, args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) || tt.name != "too few HTTP ports" && (!strings.Contains(stderr, "no call was made") || !strings.Contains(stderr, "--real-texts")) {
			t.Errorf("%s: exit code %d, %s%s\nwant %q", tt.name, code, stdout, stderr, tt.want)
		}
	}
	if real > 0 || len(api.Sent()) > 0 {
		t.Errorf("%d and %d texts were sent", real, len(api.Sent()))
	}
	// Two that are simulated, and one that is not but is wanted.
	if code, stdout, stderr := invoke(t, "load", "--daemon", double+"|"+double, "--http", httpOf(double)+"|"+httpOf(double), "--rate", "100", "--calls", "2", "--hold", "20ms"); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := invoke(t, "load", "--daemon", production, "--real-texts", "--rate", "100", "--calls", "1", "--hold", "20ms", "--press-share", "1"); code != 0 || real != 1 {
		t.Errorf("exit code %d, %d texts: %s", code, real, stderr)
	}
}

// A simulated caller who could ask for a text is one as well.
func TestSimulateFreeSWITCHRefusesRealTexts(t *testing.T) {
	real := 0
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			real++
		}
		io.WriteString(w, `{"callId":"1","success":"true"}`)
	}))
	t.Cleanup(vendor.Close)
	production := runDaemonWith(t, configFile(t, vendor.URL))
	simulate := []string{"simulate", "freeswitch", "--daemon", production, "--http", httpOf(production), "--from", caller, "--to", dialed}
	for _, args := range [][]string{{"--press", "1", "--press-after", "1ms"}, {"--var", "deflect_mode=accepted"}} {
		code, stdout, stderr := invoke(t, append(simulate, args...)...)
		if code != exitUsage || stdout != "" || real > 0 || !strings.Contains(stderr, "is no simulator") || !strings.Contains(stderr, "--real-texts") {
			t.Errorf("%v: exit code %d, %d texts, %s%s", args, code, real, stdout, stderr)
		}
	}
	// Who says nothing gets none, and who is meant to get one does.
	if code, _, stderr := invoke(t, append(simulate, "--hangup-after", "1ms")...); code != 0 || real != 0 {
		t.Errorf("exit code %d, %d texts: %s", code, real, stderr)
	}
	if code, _, stderr := invoke(t, append(simulate, "--press", "1", "--press-after", "1ms", "--real-texts")...); code != 0 || real != 1 {
		t.Errorf("exit code %d, %d texts: %s", code, real, stderr)
	}
}

// With TLS and passwords on the port too.
func TestLoadAsksOverTLS(t *testing.T) {
	web, asks := portFiles(t, false)
	file, err := config.Load(configFile(t, runAPI(t).URL()), secretEnv)
	if err != nil {
		t.Fatal(err)
	}
	addr := runDaemonOf(t, daemon.Options{Config: file, WebConfig: web})
	args := []string{"load", "--daemon", addr, "--http", httpOf(addr), "--rate", "100", "--calls", "2", "--hold", "20ms"}
	if code, stdout, stderr := invoke(t, append(args, "--http.config.file", asks)...); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := invoke(t, args...); code != exitUsage || !strings.Contains(stderr, "it speaks TLS") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
