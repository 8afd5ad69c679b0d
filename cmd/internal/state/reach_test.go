package state

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The state is told on loopback alone.
func TestReach(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9180": "127.0.0.1:9180", "0.0.0.0:9180": "127.0.0.1:9180", ":9180": "127.0.0.1:9180", "[::]:9180": "[::1]:9180",
		"[::1]:9180": "[::1]:9180", "localhost:9180": "localhost:9180", "10.0.0.7:9180": "10.0.0.7:9180",
	} {
		if got := Reach(listen); got != want {
			t.Errorf("Reach(%q) = %q, want %q", listen, got, want)
		}
	}
}

// Who asks in another way than the port wants is told what to do, and no password gets
// into what is said.
func TestClientSaysHowToAsk(t *testing.T) {
	dir := t.TempDir()
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch user, password, given := r.BasicAuth(); {
		case r.URL.Path == "/bad":
			http.Error(w, "the body must be as told", http.StatusBadRequest)
		case r.URL.Path == "/later":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.URL.Path == "/limited":
			w.WriteHeader(http.StatusTooManyRequests)
		case given && (user != "operator" || password != "opensesame"), r.URL.Path == "/closed" && !given:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			io.WriteString(w, "ok")
		}
	})
	open, secured := httptest.NewServer(plain), httptest.NewUnstartedServer(plain)
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	t.Cleanup(open.Close)
	t.Cleanup(secured.Close)
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw})))
	write("password", "opensesame\n")
	const auth = "basic_auth: {username: operator, password_file: password}\n"
	trusted := write("trusted.yml", "tls_config: {ca_file: ca.pem}\n")
	both := write("both.yml", "tls_config: {ca_file: ca.pem}\n"+auth)
	for _, tt := range []struct {
		name, file, path string
		srv              *httptest.Server
		want             string // of the error; "" for none
	}{
		{"plain", "", "/", open, ""},
		{"plain, a bad request", "", "/bad", open, ""},
		{"plain to TLS", "", "/", secured, "it speaks TLS: give --http.config.file, with tls_config"},
		{"no password", "", "/closed", open, "it asks for a password: give --http.config.file, with basic_auth"},
		{"a password", write("auth.yml", auth), "/closed", open, ""},
		{"a wrong password", write("wrong.yml", "basic_auth: {username: operator, password: opensezame}"), "/closed", open, "it refuses the user or the password"},
		{"guessed before", "", "/later", open, "it looks at no password that it has not accepted before for 7 seconds"},
		{"too many requests", "", "/limited", open, "it takes no more requests for now (rate_limit"},
		{"TLS", trusted, "/", secured, ""},
		{"TLS, no password", trusted, "/closed", secured, "it asks for a password"},
		{"TLS and a password", both, "/closed", secured, ""},
		{"TLS to plain", both, "/", open, "it does not speak TLS: leave out tls_config"},
		{"TLS of somebody unknown", write("unknown.yml", "tls_config: {min_version: TLS12}"), "/", secured, "unknown authority: name who signed it (ca_file"},
		{"TLS of another name", write("other.yml", "tls_config: {ca_file: ca.pem, server_name: deflectd.test}"), "/", secured, "say the name that it has (server_name"},
		{"TLS by name", write("name.yml", "tls_config: {ca_file: ca.pem, server_name: example.com}"), "/", secured, ""},
		{"a proxy", write("proxy.yml", "proxy_url: http://127.0.0.1:1\n"), "/", open, ""},
	} {
		_, listen, _ := strings.Cut(tt.srv.URL, "://")
		client, base, err := Client(listen, tt.file)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		resp, err := client.Get(base + tt.path)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if tt.path == "/bad" && string(body) != "the body must be as told\n" {
				t.Errorf("%s: answered %q", tt.name, body)
			}
		}
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "opense"):
			t.Errorf("%s: shows the password: %v", tt.name, err)
		}
	}
	for name, text := range map[string]string{
		"an unknown key":    "basic_auth: {username: operator, passwort: opensesame}",
		"a list":            "basic_auth: [opensesame, opensesame]",
		"a word":            "opensesame",
		"no ca":             "tls_config: {ca_file: not-there.pem}",
		"no password there": "basic_auth: {username: operator, password: opensesame, password_file: password}",
	} {
		if _, _, err := Client("127.0.0.1:1", write("bad.yml", text)); err == nil || strings.Contains(err.Error(), "opense") || !strings.Contains(err.Error(), "--http.config.file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Client("127.0.0.1:1", filepath.Join(dir, "none.yml")); err == nil {
		t.Error("a file that is not there is none")
	}
}
