package wire

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

var accountForm = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

// IsAccount reports whether it can be the id of a LivePerson account.
func IsAccount(id string) bool { return accountForm.MatchString(id) }

// Root reads the URL under which an API is: https, or http to a loopback address. It is
// returned without a slash at its end, and without the port of its scheme. The error
// quotes nothing: what stands there may hold credentials.
func Root(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", errors.New("is not a URL")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", errors.New("has no host; it looks like https://host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("may hold scheme, host, port and path only")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		return "", errors.New("is plain http to another machine: requests carry numbers; use https")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("must be https (or http to a loopback address)")
	}
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// Loopback reports whether a host is this machine, by the name of one.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// SignablePort reports whether the port is signed as it should be: that of the scheme
// is left out, and no other.
func SignablePort(u *url.URL) bool {
	_, port, err := net.SplitHostPort(u.Host)
	switch {
	case err != nil:
		return u.Port() == "" // one that only some find is signed by some
	case port != "80" && port != "443":
		return true
	}
	return (u.Scheme == "http") == (port == "80") && !strings.HasPrefix(u.Host, "[")
}
