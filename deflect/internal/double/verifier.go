package double

import (
	"crypto/hmac"
	"mime"
	"strconv"
	"strings"
)

// ReasonNoHeader and ReasonNonce are the vendor's two published reasons.
const (
	ReasonNoHeader = "No Authorization Header"
	ReasonNonce    = "Invalid Nonce - Nonce has been previously used"
)

const (
	reasonHeaderPrefix  = "Invalid Authorization Header - "
	reasonTwoHeaders    = reasonHeaderPrefix + "there are several"
	reasonMissingPrefix = "Missing Parameter - "
	reasonMethod        = "Unsupported oauth_signature_method - only HMAC-SHA1"
	reasonVersion       = "Unsupported oauth_version - only 1.0"
	reasonConsumerKey   = "Unknown oauth_consumer_key"
	reasonToken         = "Unknown oauth_token"
	reasonTimestamp     = "Invalid oauth_timestamp - not a positive number of seconds"
	reasonQuery         = "Invalid Query - cannot be decoded"
	reasonForm          = "Invalid Form - cannot be decoded"
	reasonOutsideHeader = "Invalid Parameter - oauth parameters belong in the Authorization header"
	reasonSignature     = "Invalid oauth_signature"
)

const (
	signatureParam = "oauth_signature"
	oauthPrefix    = "oauth_"
	formType       = "application/x-www-form-urlencoded"
)

// maxNonces is how many nonces are remembered, some 10 MB at most.
const maxNonces = 1 << 17

// Keys are those of one application. Without a ConsumerKey every signature is refused;
// with no Token oauth_token must be absent or empty.
type Keys struct {
	ConsumerKey, ConsumerSecret string
	Token, TokenSecret          string
}

// Verifier checks the signature of requests (RFC 5849, 3.2) for one key.
type Verifier struct {
	keys   Keys
	nonces *nonces
}

// NewVerifier makes one that has seen no nonce.
func NewVerifier(k Keys) *Verifier { return &Verifier{keys: k, nonces: newNonces(maxNonces)} }

// Verify gives the reason to refuse a request, or "". The nonce is looked at
// last, so that only who knows the secrets can burn one.
func (v *Verifier) Verify(a *Arrival) string {
	headers := a.Header.Values("Authorization")
	switch {
	case len(headers) == 0, len(headers) == 1 && strings.TrimSpace(headers[0]) == "":
		return ReasonNoHeader
	case len(headers) > 1:
		return reasonTwoHeaders
	}
	params, err := parseAuthorization(headers[0])
	if err != nil {
		return reasonHeaderPrefix + err.Error()
	}
	oauth := make(map[string]string, len(params))
	for _, p := range params {
		oauth[p.name] = p.value
	}
	if reason := v.checkParameters(oauth); reason != "" {
		return reason
	}
	signed, reason := signedParameters(a, params)
	if reason != "" {
		return reason
	}
	base := baseString(a.Method, baseURI(a.Scheme, a.Host, a.EscapedPath), signed)
	want := sign(base, v.keys.ConsumerSecret, v.keys.TokenSecret)
	// The texts are compared, not the bytes they stand for: base64 has several
	// texts for the same bytes.
	if !hmac.Equal([]byte(want), []byte(oauth[signatureParam])) {
		return reasonSignature
	}
	if !v.nonces.use(v.keys.ConsumerKey, v.keys.Token, oauth["oauth_nonce"]) {
		return ReasonNonce
	}
	return ""
}

// checkParameters looks at the parameters of the protocol (RFC 5849, 3.1).
func (v *Verifier) checkParameters(oauth map[string]string) string {
	for _, name := range []string{
		"oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce", signatureParam,
	} {
		if oauth[name] == "" {
			return reasonMissingPrefix + name
		}
	}
	version, versioned := oauth["oauth_version"]
	seconds, err := strconv.ParseInt(oauth["oauth_timestamp"], 10, 64)
	switch {
	case oauth["oauth_signature_method"] != "HMAC-SHA1":
		return reasonMethod
	case versioned && version != "1.0":
		return reasonVersion
	case v.keys.ConsumerKey == "" || oauth["oauth_consumer_key"] != v.keys.ConsumerKey:
		return reasonConsumerKey
	case oauth["oauth_token"] != v.keys.Token:
		return reasonToken
	case err != nil || seconds <= 0 || !DigitsOnly(oauth["oauth_timestamp"]):
		return reasonTimestamp
	}
	return ""
}

// signedParameters collects what is signed: the header's parameters without
// the signature, the query, and a body only if it is a form (RFC 5849,
// 3.4.1.3.1).
func signedParameters(a *Arrival, header []param) (signed []param, reason string) {
	outside, err := decodeForm(a.RawQuery)
	if err != nil {
		return nil, reasonQuery
	}
	if kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err == nil && kind == formType {
		form, err := decodeForm(string(a.Body))
		if err != nil {
			return nil, reasonForm
		}
		outside = append(outside, form...)
	}
	for _, p := range outside {
		if strings.HasPrefix(p.name, oauthPrefix) {
			return nil, reasonOutsideHeader
		}
	}
	for _, p := range header {
		if p.name != signatureParam {
			signed = append(signed, p)
		}
	}
	return append(signed, outside...), ""
}
