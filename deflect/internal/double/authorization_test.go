package double

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAuthorization(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, header string
		want         []param
	}{
		{"one", `OAuth a="1"`, []param{{"a", "1"}}},
		{"scheme in any case, no blanks", `oauth a="1",b="2"`, []param{{"a", "1"}, {"b", "2"}}},
		{"blanks around commas", "OAuth \t a=\"1\" ,\t b=\"2\" ", []param{{"a", "1"}, {"b", "2"}}},
		{"encoded", `OAuth a%20b="%2B%2f%3D"`, []param{{"a b", "+/="}}},
		{"empty value", `OAuth oauth_token=""`, []param{{"oauth_token", ""}}},
		{"realm is left out", `OAuth realm="Photos", a="1"`, []param{{"a", "1"}}},
		{"realm with anything in it", `OAuth a="1", Realm="x\", y=\"z, é", b="2"`, []param{{"a", "1"}, {"b", "2"}}},
		{"realm alone", `OAuth realm=""`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseAuthorization(tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(param{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseAuthorizationRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, header, want string }{
		{"other scheme", `Bearer abc`, "its scheme is not OAuth"},
		{"glued scheme", `OAutha="1"`, "its scheme is not OAuth"},
		{"nothing", `OAuth`, `a parameter is not name="value"`},
		{"no name", `OAuth ="1"`, `a parameter is not name="value"`},
		{"no quotes", `OAuth a=1`, `a parameter is not name="value"`},
		{"blank before equals", `OAuth a ="1"`, `the name "a " is not percent-encoded`},
		{"open quote", `OAuth a="1`, "a parameter has no closing quote"},
		{"realm with escaped end", `OAuth realm="1\"`, "a parameter has no closing quote"},
		{"no comma", `OAuth a="1" b="2"`, "a comma is missing between parameters"},
		{"comma at the end", `OAuth a="1",`, `a parameter is not name="value"`},
		{"two commas", `OAuth a="1",,b="2"`, `the name ",b" is not percent-encoded`},
		{"bare plus", `OAuth oauth_signature="a+b"`, `the value of "oauth_signature" is not percent-encoded`},
		{"half an escape", `OAuth a="%2"`, `the value of "a" is not percent-encoded`},
		{"twice", `OAuth a="1", %61="1"`, `parameter "a" comes twice`},
		{"realm twice", `OAuth realm="1", a="1", realm="1"`, "the realm comes twice"},
		{"long", `OAuth a="` + strings.Repeat("1", maxAuthorization) + `"`, "it is too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseAuthorization(tt.header)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, error %v, want error %q", got, err, tt.want)
			}
		})
	}
}

func TestQuoteCuts(t *testing.T) {
	t.Parallel()
	if got, want := Quote(strings.Repeat("é", 100)), `"`+strings.Repeat("é", 20)+`..."`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Quote("x"+strings.Repeat("é", 100)), `"x`+strings.Repeat("é", 19)+`..."`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Quote("a\nb"), `"a\nb"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
