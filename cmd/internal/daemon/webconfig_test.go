package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// webFolder is a folder with a certificate that is its own authority, and for both ends.
func webFolder(t *testing.T) (dir string, of tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "deflectd.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"deflectd.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	put(t, filepath.Join(dir, "cert.pem"), string(certPEM))
	put(t, filepath.Join(dir, "key.pem"), string(keyPEM))
	if of, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return dir, of
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func hashed(t *testing.T, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// asker asks the HTTP port.
type asker struct {
	t    *testing.T
	base string
	tls  *tls.Config
	user string // and its password, with a colon between them; "" for none
}

// get returns 0 where no request came through.
func (a asker) get(path string) (status int, body string) {
	a.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: a.tls}, Timeout: 20 * time.Second}
	r, err := http.NewRequest("GET", a.base+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if user, password, ok := strings.Cut(a.user, ":"); ok {
		r.SetBasicAuth(user, password)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// All of the port is behind TLS, the certificate of who asks, and the password.
func TestWebConfigGuardsAllOfThePort(t *testing.T) {
	dir, cert := webFolder(t)
	file := filepath.Join(dir, "web.yml")
	put(t, file, `tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}
basic_auth_users: {operator: `+hashed(t, "opensesame", bcrypt.MinCost)+`}
`)
	b := start(t, func(o *Options) { o.WebConfig = file })
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	full := asker{t, "https://" + b.daemon.HTTPAddr(), &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}, "operator:opensesame"}
	plain, nobody, bare := full, full, full
	plain.base = "http://" + b.daemon.HTTPAddr()
	nobody.tls = &tls.Config{RootCAs: pool}
	bare.user = ""
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/state", "/-/reload", "/", "/none"} {
		if status, body := plain.get(path); status != 400 {
			t.Errorf("%s in plain: %d %s", path, status, body)
		}
		if status, body := nobody.get(path); status != 0 {
			t.Errorf("%s without a certificate: %d %s", path, status, body)
		}
		if status, body := bare.get(path); status != 401 {
			t.Errorf("%s without a password: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/state": 404, "/-/reload": 405, "/none": 404} {
		if status, body := full.get(path); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	if _, body := full.get("/state"); !strings.Contains(body, "keeps no journal") {
		t.Errorf("the state is not told to this machine: %s", body)
	}
	conn, err := tls.Dial("tcp", b.daemon.HTTPAddr(), &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("it speaks %q, whose requests share a connection", got)
	}
	conn.Close()
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Guests with TLS are counted, and let go, as others are.
func TestWebConfigGuests(t *testing.T) {
	dir, cert := webFolder(t)
	file := filepath.Join(dir, "web.yml")
	put(t, file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	b := start(t, func(o *Options) { o.WebConfig = file })
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	ask := asker{t, "https://" + b.daemon.HTTPAddr(), &tls.Config{RootCAs: pool}, ""}
	guests := b.daemon.web.(*guests)
	for range 3 * guests.most {
		if status, body := ask.get("/healthz"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	there := func() int {
		guests.mu.Lock()
		defer guests.mu.Unlock()
		return len(guests.since)
	}
	for deadline := time.Now().Add(10 * time.Second); there() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := there(); n > 0 {
		t.Errorf("%d connections that were closed are counted", n)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// The file is read anew for each request. One that turns bad lets nobody in and says so,
// not for each of them and without what is in it; reloads are refused meanwhile.
func TestWebConfigChanges(t *testing.T) {
	dir, _ := webFolder(t)
	file := filepath.Join(dir, "web.yml")
	users := func(password string) string {
		return "basic_auth_users: {operator: " + hashed(t, password, bcrypt.MinCost) + "}\n"
	}
	put(t, file, users("opensesame"))
	b := start(t, func(o *Options) {
		o.WebConfig = file
		o.Load = func() (config.File, error) { return o.Config, CheckWebConfig(file) }
	})
	ask := asker{t, "http://" + b.daemon.HTTPAddr(), nil, "operator:opensesame"}
	if status, body := ask.get("/healthz"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	put(t, file, "basic_auth_users: [opensesame]\n")
	for range 50 {
		if status, body := ask.get("/healthz"); status != 500 || strings.Contains(body, "opense") {
			t.Errorf("a bad file: %d %s", status, body)
		}
	}
	const refused = "nobody is let onto the HTTP port: the file of --web.config.file cannot be used"
	if n := strings.Count(b.log.text(), refused); n != linesAMinute || !strings.Contains(b.log.text(), "line 1: cannot unmarshal") {
		t.Errorf("%d lines about it:\n%s", n, b.log.text())
	}
	if err := b.daemon.Reload(); err == nil || !strings.Contains(err.Error(), "--web.config.file "+file+" cannot be used, and nobody is let onto the HTTP port without it: yaml") || strings.Contains(err.Error(), "opense") {
		t.Errorf("a reload with a bad file: %v", err)
	}
	put(t, file, users("opensesame2"))
	if status, body := ask.get("/healthz"); status != 401 {
		t.Errorf("the old password: %d %s", status, body)
	}
	if err := b.daemon.Reload(); err != nil {
		t.Errorf("a reload with a good file: %v", err)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Who guesses is not looked at, and who is known is.
func TestWebConfigGuesses(t *testing.T) {
	dir, _ := webFolder(t)
	file := filepath.Join(dir, "web.yml")
	put(t, file, "basic_auth_users: {operator: "+hashed(t, "opensesame", bcrypt.MinCost)+"}\n")
	b := start(t, func(o *Options) { o.WebConfig = file })
	good := asker{t, "http://" + b.daemon.HTTPAddr(), nil, "operator:opensesame"}
	if status, body := good.get("/metrics"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	looked := 0
	for i := range 300 {
		bad := good
		bad.user = fmt.Sprintf("operator:opensesame%d", i)
		switch status, body := bad.get("/metrics"); status {
		case 401:
			looked++
		case 429:
		default:
			t.Fatalf("%d %s", status, body)
		}
		if status, body := good.get("/healthz"); i%50 == 0 && status != 200 {
			t.Errorf("who is known: %d %s", status, body)
		}
	}
	if looked < 1 || looked > 5 { // one each ten seconds
		t.Errorf("%d of 300 guesses were looked at", looked)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Handshakes that fail are in the log some times a minute, without a stranger's words.
func TestWebConfigHandshakes(t *testing.T) {
	dir, _ := webFolder(t)
	file := filepath.Join(dir, "web.yml")
	put(t, file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [prometheus.test]}\n")
	b := start(t, func(o *Options) { o.WebConfig = file })
	_, stranger := webFolder(t)
	for range 30 {
		for _, config := range []*tls.Config{
			{InsecureSkipVerify: true},
			{InsecureSkipVerify: true, Certificates: []tls.Certificate{stranger}},
		} {
			asker{t, "https://" + b.daemon.HTTPAddr(), config, ""}.get("/healthz")
		}
		asker{t, "http://" + b.daemon.HTTPAddr(), nil, ""}.get("/healthz")
	}
	if n := strings.Count(b.log.text(), `"http: `); n == 0 || n > linesAMinute {
		t.Errorf("%d lines:\n%s", n, b.log.text())
	}
	for _, tell := range []string{"deflectd.test", `\"`} {
		if strings.Contains(b.log.text(), tell) {
			t.Errorf("the log shows %s:\n%s", tell, b.log.text())
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// A file that cannot be used is refused before the start, by name and without a secret.
func TestCheckWebConfig(t *testing.T) {
	dir, _ := webFolder(t)
	good := hashed(t, "opensesame", bcrypt.MinCost)
	for _, tt := range []struct{ name, text, want string }{
		{"TLS", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}", ""},
		{"users", "basic_auth_users: {operator: " + good + "}", ""},
		{"headers", "http_server_config: {headers: {X-Frame-Options: deny}}", ""},
		{"a key alone", "tls_server_config: {key_file: key.pem}", "missing one of cert or cert_file"},
		{"no certificate", "tls_server_config: {cert_file: none.pem, key_file: key.pem}", "none.pem"},
		{"the wrong key", "tls_server_config: {cert_file: cert.pem, key_file: cert.pem}", "failed to load X509KeyPair"},
		{"a password", "basic_auth_users: {operator: opensesame}", "bcrypt"},
		{"a list", "basic_auth_users: [opensesame]", "line 1: cannot unmarshal"},
		{"an unknown key", "basic_auth: {operator: opensesame}", "field basic_auth not found"},
		{"no YAML", "opensesame", "cannot unmarshal"},
		{"an expensive hash", "basic_auth_users: {operator: " + strings.Replace(good, "$04$", "$15$", 1) + "}", "of cost 15"},
	} {
		file := filepath.Join(dir, "web.yml")
		put(t, file, tt.text+"\n")
		err := CheckWebConfig(file)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		case err != nil && (strings.Contains(err.Error(), "opense") || !strings.Contains(err.Error(), "--web.config.file "+file)):
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := CheckWebConfig(filepath.Join(dir, "none.yml")); err == nil {
		t.Error("a file that is not there is none")
	}
	if err := CheckWebConfig(""); err != nil {
		t.Errorf("without a file: %v", err)
	}
}
