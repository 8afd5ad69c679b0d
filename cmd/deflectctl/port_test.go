package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
)

// portFiles are the files of the examples, and those that they name. certs wants a
// certificate of whoever asks too.
func portFiles(t *testing.T, certs bool) (web, client string) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"deflectd.example"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("opensesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	example := func(name string) string {
		text, err := os.ReadFile("../../examples/freeswitch/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "HASH", string(hash))
	}
	pair := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write("deflectd.crt", pair)
	write("clients.crt", pair)
	write("deflectd.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	write("http.password", "opensesame\n")
	server, asks := example("web.yml"), example("http.yml")
	if certs {
		server = strings.ReplaceAll(server, "# client_", "client_")
		asks = strings.Replace(asks, "basic_auth:", "  cert_file: deflectd.crt\n  key_file: deflectd.key\nbasic_auth:", 1)
	}
	return write("web.yml", server), write("http.yml", asks)
}

// A deflectd whose port has TLS, passwords and wants certificates is asked as a file says,
// and without it what to do is said.
func TestStateOverTLS(t *testing.T) {
	for _, certs := range []bool{false, true} {
		web, asks := portFiles(t, certs)
		name, dir := stateFile(t)
		remember(t, dir)
		serveState(t, name, web)
		code, stdout, stderr := invoke(t, "state", "list", "--config", name, "--http.config.file", asks)
		if code != 0 || !strings.Contains(stdout, "1 text, 1 cooldown (from deflectd at https://127.0.0.1:") {
			t.Errorf("certificates %v: exit code %d, stderr %q\n%s", certs, code, stderr, stdout)
		}
		code, stdout, stderr = invoke(t, "explain", "--config", name, "--from", caller, "--to", dialed, "--http.config.file", asks)
		if code != 0 || !strings.Contains(stdout, "1 text, 1 cooldown (from deflectd at https://127.0.0.1:") {
			t.Errorf("certificates %v: explain: exit code %d, stderr %q\n%s", certs, code, stderr, stdout)
		}
		code, _, stderr = invoke(t, "state", "list", "--config", name)
		if code != exitFailed || !strings.Contains(stderr, "it speaks TLS: give --http.config.file, with tls_config") {
			t.Errorf("without the file: exit code %d, stderr %q", code, stderr)
		}
	}
	name, dir := stateFile(t)
	remember(t, dir)
	serveState(t, name, "")
	if code, _, stderr := invoke(t, "state", "list", "--config", name, "--http.config.file", name); code != exitUsage || !strings.Contains(stderr, name+": the file of --http.config.file cannot be used") {
		t.Errorf("another file: exit code %d, stderr %q", code, stderr)
	}
}

// serveState runs a daemon on a configuration with anyPort, which has its port then, with
// a file of --web.config.file or "". It returns where calls come in.
func serveState(t *testing.T, name, web string) (calls string) {
	t.Helper()
	file, err := config.Load(name, secretEnv)
	if err != nil {
		t.Fatal(err)
	}
	calls = runDaemonOf(t, daemon.Options{Config: file, WebConfig: web})
	replace(t, name, anyPort, `http: {listen: "`+httpOf(calls)+`"}`)
	return calls
}
