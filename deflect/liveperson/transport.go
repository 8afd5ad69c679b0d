package liveperson

import (
	"net"
	"net/http"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// NewTransport returns the transport that a Client of an API uses by default: kept-alive
// connections, HTTP/2 where offered, TLS 1.2 or newer, proxies from the
// environment, and connections that know whether a request left the machine.
// Each call returns a transport of its own.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}
	return wire.NewTransport(dialer.DialContext)
}
