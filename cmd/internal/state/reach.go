package state

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	prometheus "github.com/prometheus/common/config"
)

// Reach returns where a daemon on this machine that listens on an address is asked: the
// state is told to nobody else.
func Reach(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "", err == nil && ip.IsUnspecified() && ip.Unmap().Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// Client returns who asks the deflectd of this machine that has an http.listen, and what its
// URLs begin with ("https://127.0.0.1:9180"). How a port with TLS or passwords is asked
// (deflectd's --web.config.file) is in a file such as promtool's --http.config.file has;
// "" is none. That the port does not answer whoever asks like that is an error of the
// client. It follows no redirect and uses no proxy.
func Client(listen, configFile string) (client *http.Client, base string, err error) {
	addr := Reach(listen)
	if configFile == "" {
		return &http.Client{
			Transport:     strict{&http.Transport{DisableCompression: true, DisableKeepAlives: true}, false},
			CheckRedirect: stay,
		}, "http://" + addr, nil
	}
	file, _, err := prometheus.LoadHTTPConfigFile(configFile)
	if err != nil {
		return nil, "", fmt.Errorf("the file of --http.config.file cannot be used: %w", Unquoted(err))
	}
	file.ProxyConfig = prometheus.ProxyConfig{} // which deflectd refuses
	rt, err := prometheus.NewRoundTripperFromConfig(*file, "deflectd", prometheus.WithKeepAlivesDisabled(), prometheus.WithHTTP2Disabled())
	if err != nil {
		return nil, "", fmt.Errorf("the file of --http.config.file cannot be used: %w", Unquoted(err))
	}
	scheme := "http://"
	if file.TLSConfig != (prometheus.TLSConfig{}) {
		scheme = "https://"
	}
	return &http.Client{Transport: strict{rt, file.BasicAuth != nil}, CheckRedirect: stay}, scheme + addr, nil
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Unquoted is an error of a library about a file, without what it quotes of it: that may
// be a password.
func Unquoted(err error) error {
	return errors.New(quotes.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "`...`"))
}

var quotes = regexp.MustCompile("`[^`]*`?")

// strict makes errors of the answers to whoever asks in another way than the port wants,
// and says what to do.
type strict struct {
	http.RoundTripper
	password bool // it has one
}

// RoundTrip asks.
func (s strict) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, s.explained(err)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		resp.Body.Close()
		if s.password {
			return nil, errors.New("it refuses the user or the password (basic_auth of --http.config.file)")
		}
		return nil, errors.New("it asks for a password: give --http.config.file, with basic_auth")
	case http.StatusTooManyRequests:
		resp.Body.Close()
		if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			return nil, fmt.Errorf("it looks at no password that it has not accepted before for %d seconds, because wrong ones were given: try again then", after)
		}
		return nil, errors.New("it takes no more requests for now (rate_limit of deflectd's --web.config.file): try again")
	case http.StatusBadRequest: // of Go's server to who speaks no TLS, and of deflectd itself
		start := make([]byte, 256)
		n, _ := io.ReadFull(resp.Body, start)
		if strings.Contains(string(start[:n]), "HTTP request to an HTTPS server") {
			resp.Body.Close()
			return nil, errors.New("it speaks TLS: give --http.config.file, with tls_config")
		}
		resp.Body = &begun{io.MultiReader(strings.NewReader(string(start[:n])), resp.Body), resp.Body}
	}
	return resp, nil
}

// explained adds what to do.
func (s strict) explained(err error) error {
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
		return errors.New("it does not speak TLS: leave out tls_config of --http.config.file")
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("%w: name who signed it (ca_file in tls_config of --http.config.file)", err)
	}
	if _, other := errors.AsType[x509.HostnameError](err); other {
		return fmt.Errorf("%w: say the name that it has (server_name in tls_config of --http.config.file)", err)
	}
	return err
}

// begun is a body of which something was read.
type begun struct {
	io.Reader
	io.Closer
}
