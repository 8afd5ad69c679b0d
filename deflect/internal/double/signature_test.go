package double

import (
	"net/url"
	"testing"
)

// The examples of RFC 5849, 1.2 and four requests whose signatures were
// computed with OpenSSL.
func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	rfc := map[string]string{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_signature_method": "HMAC-SHA1"}
	ours := map[string]string{
		"oauth_consumer_key": "0123456789abcdef0123456789abcdef", "oauth_token": "fedcba9876543210fedcba9876543210",
		"oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "1528932953", "oauth_version": "1.0",
	}
	for _, tt := range []struct {
		name, method, url   string
		common, own         map[string]string
		secret, tokenSecret string
		want                string
	}{
		{
			"rfc initiate", "POST", "https://photos.example.net/initiate", rfc,
			map[string]string{"oauth_timestamp": "137131200", "oauth_nonce": "wIjqoS", "oauth_callback": "http://printer.example.com/ready"},
			"kd94hf93k423kf44", "", "74KNZJeDHnMBp0EMJ9ZHt/XKycU=",
		},
		{
			"rfc token", "POST", "https://photos.example.net/token", rfc,
			map[string]string{"oauth_timestamp": "137131201", "oauth_nonce": "walatlh", "oauth_token": "hh5s93j4hdidpola", "oauth_verifier": "hfdp7dh39dks9884"},
			"kd94hf93k423kf44", "hdhd0244k9j7ao03", "gKgrFCywp7rO0OXSjdot/IHF7IU=",
		},
		{
			"rfc photos", "GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", rfc,
			map[string]string{"oauth_timestamp": "137131202", "oauth_nonce": "chapoH", "oauth_token": "nnch734d00sl2jdk"},
			"kd94hf93k423kf44", "pfkkdhi9sl3r4s00", "MdpQcU8iPSUjWoN/UDMsK2sui9I=",
		},
		{
			"invite", "POST", "https://va.ivrdeflect.liveperson.net/api/contextAndInvite", ours,
			map[string]string{"oauth_nonce": "n0nce0001"}, "appsecret", "tokensecret", "FxLf6Rj4V9+Tegrcg6fs3XBDapI=",
		},
		{
			"report", "POST", "https://lo.ivrdeflect.liveperson.net/api/getLiveDeflectData/v2", ours,
			map[string]string{"oauth_nonce": "n0nce0002"}, "appsecret", "tokensecret", "V+oqOVc+YBHczZgu4mxG2oqk4R4=",
		},
		{
			"query", "POST", "https://va.connect-to-messaging.liveperson.net/api/account/38856538/eligibility?v=2.0", ours,
			map[string]string{"oauth_nonce": "n0nce0003"}, "appsecret", "tokensecret", "d0KBUIo5Tm/uHsSCIl7iEbUeTBI=",
		},
		{
			"secrets that need encoding", "POST", "https://va.ivrdeflect.liveperson.net/api/contextAndInvite", ours,
			map[string]string{"oauth_nonce": "n0nce0004"}, "a+b/c=&d", "t k~%", "2hu6pQ24h/S/LUgIqtxO1tdLcCk=",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			params, err := decodeForm(u.RawQuery)
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range []map[string]string{tt.common, tt.own} {
				for name, value := range set {
					params = append(params, param{name, value})
				}
			}
			got := sign(baseString(tt.method, baseURI(u.Scheme, u.Host, u.EscapedPath()), params), tt.secret, tt.tokenSecret)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The request of RFC 5849, 3.4.1.1, as it arrives: a query, a form body, names
// that come twice, a realm, and a host in upper case.
func TestBaseStringOfRFC(t *testing.T) {
	t.Parallel()
	const want = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D" +
		"%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a" +
		"%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	params, err := parseAuthorization(`OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2",` + " \t " +
		`oauth_token="kkk9d7dh3k39sjv7",oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", ` +
		`oauth_nonce="7d8f3e4a", oauth_signature="bYT5CMsGcbgUdFHObYMEfcx6bsw%3D"`)
	if err != nil {
		t.Fatal(err)
	}
	a := &Arrival{
		RawQuery: "b5=%3D%253D&a3=a&c%40=&a2=r%20b",
		Header:   map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:     []byte("c2&a3=2+q"),
	}
	signed, reason := signedParameters(a, params)
	if reason != "" {
		t.Fatal(reason)
	}
	if got := baseString("post", baseURI("HTTP", "EXAMPLE.COM:80", "/request"), signed); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBaseURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ scheme, host, path, want string }{
		{"http", "EXAMPLE.COM:80", "/r%20v/X", "http://example.com/r%20v/X"},
		{"https", "www.example.net:8080", "/", "https://www.example.net:8080/"},
		{"HTTPS", "example.com:443", "/a", "https://example.com/a"},
		{"https", "example.com:80", "/a", "https://example.com:80/a"},
		{"http", "example.com:443", "/a", "http://example.com:443/a"},
		{"http", "[::1]:80", "/a", "http://[::1]/a"},
		{"http", "[::1:80]", "/a", "http://[::1:80]/a"},
	} {
		if got := baseURI(tt.scheme, tt.host, tt.path); got != tt.want {
			t.Errorf("baseURI(%q, %q, %q) = %q, want %q", tt.scheme, tt.host, tt.path, got, tt.want)
		}
	}
}

func TestPercentEncoding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ plain, encoded string }{
		{"abcABC019-._~", "abcABC019-._~"},
		{"a b+c", "a%20b%2Bc"},
		{"%=&/", "%25%3D%26%2F"},
		{"é\x00\xff", "%C3%A9%00%FF"},
	} {
		if got := percentEncode(tt.plain); got != tt.encoded {
			t.Errorf("percentEncode(%q) = %q, want %q", tt.plain, got, tt.encoded)
		}
		if got, ok := percentDecode(tt.encoded); !ok || got != tt.plain {
			t.Errorf("percentDecode(%q) = %q, %t, want %q", tt.encoded, got, ok, tt.plain)
		}
	}
	if got, ok := percentDecode("a%2fb"); !ok || got != "a/b" {
		t.Errorf("percentDecode of lower case = %q, %t, want a/b", got, ok)
	}
	for _, bad := range []string{"a+b", "a b", "%", "%2", "%zz", "a=b", "é"} {
		if got, ok := percentDecode(bad); ok {
			t.Errorf("percentDecode(%q) = %q, want it refused", bad, got)
		}
	}
}
