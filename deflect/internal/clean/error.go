package clean

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// OfNetwork reports whether it is the network that failed.
func OfNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns)
}

// BeyondNetwork cleans errors that may quote who answered: net/http puts malformed
// status lines and headers into its errors, whole. Errors of the network hold
// addresses only and stay as they are.
func BeyondNetwork(err error) error {
	if OfNetwork(err) {
		return err
	}
	return Error{err}
}

// Error is an error of somebody else's, fit to be shown.
type Error struct{ Err error }

// Error is clean, but for addresses in errors of the network and of TLS, which are for
// whoever operates it. Elsewhere the same digits may be a number.
func (e Error) Error() string {
	var host x509.HostnameError
	var certificate *tls.CertificateVerificationError
	if OfNetwork(e.Err) || errors.As(e.Err, &host) || errors.As(e.Err, &certificate) {
		return But(e.Err.Error(), Addresses)
	}
	return Text(e.Err.Error())
}

// Unwrap returns the error as it was.
func (e Error) Unwrap() error { return e.Err }
