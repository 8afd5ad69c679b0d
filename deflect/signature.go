package deflect

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// signer signs requests by RFC 5849 and hands them to base.
type signer struct {
	base       http.RoundTripper
	key, token string // percent-encoded
	nonce      func() string
	tools      sync.Pool // of *signTools
}

// signTools make one signature at a time.
type signTools struct {
	mac  hash.Hash // keyed with the secrets
	text []byte    // the base string
	sum  [sha1.Size]byte
	code [(sha1.Size + 2) / 3 * 4]byte // the signature
}

// parameter is a name and a value, both percent-encoded.
type parameter struct{ name, value string }

func newSigner(a OAuth1, base http.RoundTripper) *signer {
	if base == nil {
		base = http.DefaultTransport
	}
	secrets := percentEncode(a.ConsumerSecret.Reveal()) + "&" + percentEncode(a.TokenSecret.Reveal())
	s := &signer{base: base, key: percentEncode(a.ConsumerKey), token: percentEncode(a.Token), nonce: freshNonce}
	if a.nonce != nil {
		s.nonce = a.nonce.Nonce
	}
	s.tools.New = func() any { return &signTools{mac: hmac.New(sha1.New, []byte(secrets))} }
	return s
}

// freshNonce is 32 random bytes in hexadecimal.
func freshNonce() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// RoundTrip signs a copy of the request.
func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	others, err := queryParameters(req.URL.RawQuery)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	signed := req.WithContext(req.Context())
	if signed.Header = maps.Clone(req.Header); signed.Header == nil {
		signed.Header = http.Header{}
	}
	signed.Header["Authorization"] = []string{s.authorization(signed, others)}
	return s.base.RoundTrip(signed)
}

// queryParameters returns the parameters of the query (RFC 5849, 3.4.1.3.1).
func queryParameters(query string) ([]parameter, error) {
	if query == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("the query cannot be decoded")
	}
	var all []parameter
	for name, list := range values {
		for _, v := range list {
			all = append(all, parameter{percentEncode(name), percentEncode(v)})
		}
	}
	return all, nil
}

// authorization is the value of the header (RFC 5849, 3.5.1).
func (s *signer) authorization(req *http.Request, others []parameter) string {
	nonce, now := percentEncode(s.nonce()), strconv.FormatInt(time.Now().Unix(), 10)
	params := append([]parameter{
		{"oauth_consumer_key", s.key},
		{"oauth_nonce", nonce},
		{"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", now},
		{"oauth_token", s.token},
		{"oauth_version", "1.0"},
	}, others...)
	if len(others) > 0 { // ours are in order
		sortParameters(params)
	}
	t := s.tools.Get().(*signTools)
	defer s.tools.Put(t)
	t.text = appendBaseString(t.text[:0], req, params)
	t.sign()
	t.text = appendEncoded(t.text[:0], string(t.code[:]))
	return `OAuth oauth_consumer_key="` + s.key + `", oauth_nonce="` + nonce + `", oauth_signature="` + string(t.text) +
		`", oauth_signature_method="HMAC-SHA1", oauth_timestamp="` + now + `", oauth_token="` + s.token + `", oauth_version="1.0"`
}

// sign makes code of text (RFC 5849, 3.4.2).
func (t *signTools) sign() {
	t.mac.Reset()
	t.mac.Write(t.text)
	base64.StdEncoding.Encode(t.code[:], t.mac.Sum(t.sum[:0]))
}

// sortParameters sorts by name, then by value (RFC 5849, 3.4.1.3.2).
func sortParameters(params []parameter) {
	slices.SortFunc(params, func(a, b parameter) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
}

// appendBaseString appends what is signed (RFC 5849, 3.4.1.1).
func appendBaseString(b []byte, req *http.Request, params []parameter) []byte {
	b = append(b, strings.ToUpper(cmp.Or(req.Method, http.MethodGet))...)
	b = append(b, '&')
	b = appendBaseURI(b, req)
	for i, p := range params {
		if i == 0 {
			b = append(b, '&')
		} else {
			b = append(b, "%26"...)
		}
		b = appendEncoded(b, p.name)
		b = append(b, "%3D"...)
		b = appendEncoded(b, p.value)
	}
	return b
}

// appendBaseURI appends scheme, host and path, encoded: lower case, and without the
// port that is the scheme's own (RFC 5849, 3.4.1.2).
func appendBaseURI(b []byte, req *http.Request) []byte {
	scheme, host := strings.ToLower(req.URL.Scheme), strings.ToLower(cmp.Or(req.Host, req.URL.Host))
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	path, _, _ := strings.Cut(req.URL.RequestURI(), "?")
	b = appendEncoded(b, scheme)
	b = append(b, "%3A%2F%2F"...)
	b = appendEncoded(b, host)
	return appendEncoded(b, path)
}

func percentEncode(s string) string { return string(appendEncoded(nil, s)) }

// appendEncoded encodes every byte but the unreserved ones (RFC 5849, 3.6).
func appendEncoded(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
