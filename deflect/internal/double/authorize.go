package double

import (
	"maps"
	"net/url"
	"strings"
)

// Authorize signs a request without a form, and writes the header: a client of the tests
// of doubles. It panics if the URL cannot be read.
func Authorize(k Keys, method, rawURL string, oauth map[string]string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	params, err := decodeForm(u.RawQuery)
	if err != nil {
		panic(err)
	}
	for name, value := range oauth {
		params = append(params, param{name, value})
	}
	base := baseString(method, baseURI(u.Scheme, u.Host, u.EscapedPath()), params)
	oauth = maps.Clone(oauth)
	oauth[signatureParam] = sign(base, k.ConsumerSecret, k.TokenSecret)
	return AuthorizationHeader(oauth)
}

// AuthorizationHeader writes the parameters of an Authorization header.
func AuthorizationHeader(oauth map[string]string) string {
	var pairs []string
	for name, value := range oauth {
		pairs = append(pairs, percentEncode(name)+`="`+percentEncode(value)+`"`)
	}
	return "OAuth " + strings.Join(pairs, ", ")
}
