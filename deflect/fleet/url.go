package fleet

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// ParseURL reads where a single server is: redis://user:password@host:port/db, or rediss://
// for TLS. Port and db are 6379 and 0 if missing. The error does not repeat the URL, which
// may hold a password.
func ParseURL(text string) (Config, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil: // quotes it
		return Config{}, errors.New("is not a URL such as rediss://fleet.example:6380/0")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return Config{}, errors.New("must begin with redis://, or with rediss:// for TLS")
	case u.Hostname() == "" || u.Opaque != "":
		return Config{}, errors.New("names no host, as rediss://fleet.example:6380/0 does")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return Config{}, errors.New("must end with the number of the database: options are settings of their own")
	}
	cfg := Config{Addresses: []string{net.JoinHostPort(u.Hostname(), "6379")}}
	if port := u.Port(); port != "" {
		cfg.Addresses[0] = net.JoinHostPort(u.Hostname(), port)
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		n, err := strconv.Atoi(db)
		if err != nil || n < 0 {
			return Config{}, fmt.Errorf("must end with the number of a database after the host, such as /0")
		}
		cfg.DB = n
	}
	cfg.Username = u.User.Username()
	password, _ := u.User.Password()
	cfg.Password = deflect.NewSecret(password)
	if u.Scheme == "rediss" {
		cfg.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	return cfg, nil
}
