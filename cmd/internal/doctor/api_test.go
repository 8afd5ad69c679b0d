package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T, name string, ends time.Time) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.cert, a.key = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotAfter: ends, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	a.pool.AddCert(a.cert)
	return a
}

func sign(t *testing.T, c *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c.SerialNumber, c.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-48*time.Hour)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, key
}

// proves is a certificate of the API, for some days.
func (a *authority) proves(t *testing.T, days int, names ...string) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour), DNSNames: names}
	if names == nil {
		c.IPAddresses = []net.IP{net.ParseIP("127.0.0.1")}
	}
	cert, key := sign(t, c, a)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// secure puts the API behind TLS, with a certificate that can be changed.
func (r *rig) secure(a *authority, cert tls.Certificate) (change func(tls.Certificate)) {
	r.t.Helper()
	r.o.RootCAs = a.pool
	shown := make(chan tls.Certificate, 1)
	shown <- cert
	srv := httptest.NewUnstartedServer(r.api)
	srv.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := <-shown
		shown <- c
		return &tls.Config{Certificates: []tls.Certificate{c}}, nil
	}}
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	r.t.Cleanup(srv.Close)
	r.edit(r.api.URL(), srv.URL)
	return func(c tls.Certificate) { <-shown; shown <- c }
}

func TestCertificate(t *testing.T) {
	a := newAuthority(t, "Our CA", time.Now().AddDate(1, 0, 0))
	t.Run("all is well", func(t *testing.T) {
		r := newRig(t)
		r.secure(a, a.proves(t, 90))
		r.want("certificate", doctor.Good, "of 127.0.0.1, signed by Our CA, for 90 days more; TLS 1.3")
		r.well("credentials")
		r.well("clock")
	})
	t.Run("soon over", func(t *testing.T) {
		r := newRig(t)
		change := r.secure(a, a.proves(t, 12))
		do := r.want("certificate", doctor.Warning, "the certificate of 127.0.0.1 ends in 12 days")
		r.has(do, "have it renewed")
		change(a.proves(t, 90))
		r.well("certificate")
	})
	t.Run("above it soon over", func(t *testing.T) {
		old := newAuthority(t, "Old CA", time.Now().Add(49*time.Hour))
		r := newRig(t)
		change := r.secure(old, old.proves(t, 90))
		r.has(r.want("certificate", doctor.Warning, "the one above it, of Old CA ends in 2 days"), "have it renewed")
		r.o.RootCAs.AddCert(a.cert)
		change(a.proves(t, 90))
		r.well("certificate")
	})
	t.Run("over", func(t *testing.T) {
		r := newRig(t)
		change := r.secure(a, a.proves(t, -1))
		r.has(r.want("certificate", doctor.Bad, "the certificate of 127.0.0.1 is for "), "have the certificate renewed")
		r.want("credentials", doctor.Skipped, "the API cannot be asked")
		change(a.proves(t, 90))
		r.well("certificate")
	})
	t.Run("another name", func(t *testing.T) {
		r := newRig(t)
		change := r.secure(a, a.proves(t, 90, "proxy.example", "other.example"))
		r.has(r.want("certificate", doctor.Bad, "is not for 127.0.0.1, but for proxy.example, other.example"), "a proxy answers in the place of the API")
		change(a.proves(t, 90))
		r.well("certificate")
	})
	t.Run("nobody's", func(t *testing.T) {
		r := newRig(t)
		r.secure(a, a.proves(t, 90))
		r.o.RootCAs = x509.NewCertPool()
		r.has(r.want("certificate", doctor.Bad, "is signed by Our CA, whom this machine does not know"), "update-ca-certificates")
		r.o.RootCAs = a.pool
		r.well("certificate")
	})
}

// What answers in the place of the API, or does not say, is told apart.
func TestCredentialsOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		says  http.HandlerFunc
		level doctor.Level
		text  string
		do    string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, doctor.Bad, "what answers is no LiveDeflect API", "correct livedeflect.domain"},
		{"another place", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(http.StatusFound)
		}, doctor.Bad, "what answers is no LiveDeflect API", "a proxy that answers"},
		{"a failure", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, doctor.Warning, "it answers with HTTP 503", "look again in a minute"},
		{"silence", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				<-r.Context().Value(ended{}).(chan struct{})
			}
		}, doctor.Warning, "did not say in time", "look again in a minute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.api.Close()
			r.answers(tt.says)
			r.has(r.want("credentials", tt.level, tt.text), tt.do)
		})
	}
}

// With a clock that is wrong the keys are not to blame.
func TestCredentialsWithAnotherClock(t *testing.T) {
	r := newRig(t)
	r.api.SetClock(time.Hour)
	r.write(r.dir+"/token", "opensesame-other")
	r.has(r.want("credentials", doctor.Bad, "the API refuses these keys"), "set the clock first")
}

// A whole examination ends, whoever does not answer, and says what it did not get.
func TestSilenceEverywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	r.edit(strings.TrimPrefix(r.url, "http://"), silent.Addr().String())
	began := time.Now()
	found := doctor.Examine(t.Context(), r.o)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(found) < 19 {
		t.Errorf("%d findings", len(found))
	}
}

// A configuration that comes from nobody holds up nothing but itself, and whoever waits can go.
func TestFileThatNobodyWrites(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such files")
	}
	r := newRig(t)
	pipe := filepath.Join(r.dir, "pipe")
	must(t, exec.Command("mkfifo", pipe).Run())
	r.edit("token_secret_file: token", "token_secret_file: pipe")
	r.has(r.want("configuration", doctor.Bad, "cannot be read within 5s"), "name files that are on a disk")
	r.want("switch", doctor.Skipped, "the configuration cannot be used")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	doctor.Examine(ctx, r.o)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s to be stopped", took)
	}
	r.edit("token_secret_file: pipe", "token_secret_file: token")
	r.well("configuration")
}
