package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// certificateError is that of a certificate which is not believed.
func certificateError(err error) (*tls.CertificateVerificationError, bool) {
	return errors.AsType[*tls.CertificateVerificationError](err)
}

// soonOver is how long before its end a certificate should have been renewed.
const soonOver = 21 * 24 * time.Hour

// certificate is about who the APIs prove to be.
func (e *exam) certificate(context.Context) []Finding {
	return e.each("mend the way to the Domain API first", certified)
}

func certified(v visit) []Finding {
	refused, isTLS := certificateError(v.err)
	switch {
	case isTLS:
		return v.notBelieved(refused)
	case v.err != nil:
		return skipped("mend the way to the API first", "the API does not answer")
	case v.tls == nil:
		return skipped("nothing for a simulator; the API itself has https in "+v.key, "there is no TLS on this way to the API")
	}
	leaf := v.tls.PeerCertificates[0]
	ends, whose := leaf.NotAfter, "the certificate of "+v.host()
	for _, c := range shortest(v.tls.VerifiedChains) {
		if c.NotAfter.Before(ends) {
			ends, whose = c.NotAfter, "the one above it, of "+nameOf(c.Subject)
		}
	}
	left := time.Until(ends)
	days := fmt.Sprintf("%d days", int(left.Hours()/24))
	if left < soonOver {
		do := "have it renewed by whose it is: LivePerson's, or that of your proxy on the way; after its end no text is sent"
		return warning(do, "%s ends in %s (%s)", whose, days, ends.UTC().Format(time.DateOnly))
	}
	return good("of %s, signed by %s, for %s more; %s", v.host(), cmp.Or(leaf.Issuer.CommonName, strings.Join(leaf.Issuer.Organization, ", ")), days, tls.VersionName(v.tls.Version))
}

// shortest is the chain by which a certificate is believed.
func shortest(chains [][]*x509.Certificate) []*x509.Certificate {
	if len(chains) == 0 {
		return nil
	}
	return slices.MinFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) })
}

func nameOf(n pkix.Name) string {
	return cmp.Or(n.CommonName, strings.Join(n.Organization, ", "), "nobody")
}

func (v visit) notBelieved(err *tls.CertificateVerificationError) []Finding {
	var leaf *x509.Certificate
	if len(err.UnverifiedCertificates) > 0 {
		leaf = err.UnverifiedCertificates[0]
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired && leaf != nil {
		now := time.Now().UTC().Format(time.RFC3339)
		do := fmt.Sprintf("is it really %s? Else set the clock of this machine (timedatectl set-ntp true). If it is, have the certificate renewed by whose it is", now)
		return bad(do, "the certificate of %s is for %s to %s", v.host(), leaf.NotBefore.UTC().Format(time.DateOnly), leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok && leaf != nil {
		names := strings.Join(append(slices.Clone(leaf.DNSNames), ipNames(leaf)...), ", ")
		do := "correct " + v.key + "; if it is right, a proxy answers in the place of the API, or the name leads elsewhere"
		return bad(do, "the certificate is not for %s, but for %s", v.host(), cmp.Or(names, "no name"))
	}
	issuer := "nobody"
	if leaf != nil {
		issuer = nameOf(leaf.Issuer)
	}
	do := "install ca-certificates. If a proxy of yours answers in the place of the API, put the certificate of its CA into /usr/local/share/ca-certificates/ as a .crt file, run update-ca-certificates, and restart deflectd"
	return bad(do, "the certificate of %s is signed by %s, whom this machine does not know", v.host(), issuer)
}

func ipNames(c *x509.Certificate) (names []string) {
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
