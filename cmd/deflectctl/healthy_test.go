package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHealthy(t *testing.T) {
	status, text, password := http.StatusOK, "ok\n", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asks %s", r.URL.Path)
		}
		if _, given, _ := r.BasicAuth(); given != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	defer srv.Close()
	config := filepath.Join(t.TempDir(), "deflectd.yaml")
	data := fmt.Sprintf("livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY}\nprofiles: [{name: a, skill: b}]\nhttp: {listen: %q}\n", strings.TrimPrefix(srv.URL, "http://"))
	write := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, data)
	ask := func(want int, part string) {
		t.Helper()
		var out, errOut strings.Builder
		if code := run([]string{"healthy", "--config", config}, app{t.Context(), &out, &errOut, os.Getenv}); code != want || !strings.Contains(out.String()+errOut.String(), part) {
			t.Errorf("exit code %d: %s%s", code, out.String(), errOut.String())
		}
	}
	ask(0, "ok")
	write(config, data+"colour: blue\n") // which a reload has refused
	ask(0, "ok")
	write(config, data)
	password = "opensesame"
	ask(exitFailed, "give --http.config.file, with basic_auth")
	asks := filepath.Join(t.TempDir(), "http.yml")
	write(asks, "basic_auth: {username: probe, password: opensesame}\n")
	t.Setenv("DEFLECT_HTTP_CONFIG_FILE", asks)
	ask(0, "ok")
	password = ""
	write(asks, "{}\n")
	text = "something else"
	ask(exitFailed, "is no deflectd that is up (status 200)")
	status, text = http.StatusNotFound, "ok\n"
	ask(exitFailed, "is no deflectd that is up (status 404)")
	srv.Close()
	ask(exitFailed, "deflectd is not up")
}
