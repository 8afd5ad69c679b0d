package wire

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// machineLimits are the errors of a machine that has run out of something a
// connection takes. The API has no part in them.
var machineLimits = append([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}, systemLimits...)

// limitError is a connection that this machine could not make.
type limitError struct{ err error }

func (e *limitError) Error() string {
	return "this machine has no file descriptors, ports or memory left for a connection; raise its limits (ulimit -n, LimitNOFILE), or find what holds them: " + e.err.Error()
}

func (e *limitError) Unwrap() error { return e.err }

// ownLimit returns err as a limitError if it is one.
func ownLimit(err error) error {
	var dns *net.DNSError
	for _, limit := range machineLimits {
		// The resolver keeps only the text of what went wrong.
		if errors.Is(err, limit) || errors.As(err, &dns) && strings.Contains(dns.Err, limit.Error()) {
			return &limitError{err}
		}
	}
	return nil
}
