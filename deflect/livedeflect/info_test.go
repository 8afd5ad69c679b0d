package livedeflect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// What an embedder's types may be.
type (
	asJSON    struct{ raw string }
	asText    struct{ text string }
	asKey     struct{ text, other string }
	asPointer struct{ raw string }
	inStruct  struct {
		Name  string `json:"name"`
		Inner any    `json:"inner,omitempty"`
		Raw   json.RawMessage
		Bytes []byte
		plain string
	}
)

func (v asJSON) MarshalJSON() ([]byte, error)     { return []byte(v.raw), nil }
func (v asText) MarshalText() ([]byte, error)     { return []byte(v.text), nil }
func (v asKey) MarshalText() ([]byte, error)      { return []byte(v.text), nil }
func (v *asPointer) MarshalJSON() ([]byte, error) { return []byte(v.raw), nil }

// What readers could take for something else than was meant is refused before anybody is
// offered a text, wherever it comes from.
func TestInfoIsRefusedBeforeTheOffer(t *testing.T) {
	twice, escaped := `{"plan":"Gold","plan":"None"}`, `{"plan":"Gold","pl\u0061n":"None"}`
	tests := []struct {
		name  string
		value any
		code  deflect.FieldCode
	}{
		{"a name twice in raw JSON", json.RawMessage(twice), deflect.CodeNotJSON},
		{"a name twice, one of them escaped", json.RawMessage(escaped), deflect.CodeNotJSON},
		{"a name twice by a marshaler", asJSON{twice}, deflect.CodeNotJSON},
		{"a name twice deep in it", []any{map[string]any{"x": &asPointer{`[0,{"y":` + twice + `}]`}}}, deflect.CodeNotJSON},
		{"a name twice of different keys", map[asKey]int{{"a", "1"}: 1, {"a", "2"}: 2}, deflect.CodeNotJSON},
		{"a name twice in a struct", inStruct{Raw: json.RawMessage(twice)}, deflect.CodeNotJSON},
		{"a name twice in jsontext", jsontext.Value(twice), deflect.CodeNotJSON},
		{"NUL", "a\x00", deflect.CodeCharacters},
		{"NUL in a name", map[string]int{"\x00": 1}, deflect.CodeCharacters},
		{"NUL in raw JSON", json.RawMessage(`"a\u0000"`), deflect.CodeCharacters},
		{"NUL in a raw name", json.RawMessage(`{"\u0000":1}`), deflect.CodeCharacters},
		{"NUL by a marshaler", asJSON{`["\u0000"]`}, deflect.CodeCharacters},
		{"NUL by a text marshaler", asText{"\x00"}, deflect.CodeCharacters},
		{"NUL in a struct", []any{inStruct{Name: "\x00"}}, deflect.CodeCharacters},
		{"another control character", asJSON{`"\u001b[2J"`}, deflect.CodeCharacters},
		{"a C1 control character", asText{"\u0085"}, deflect.CodeCharacters},
		{"invalid UTF-8", "\xff", deflect.CodeCharacters},
		{"invalid UTF-8 in raw JSON", json.RawMessage("\"\xff\""), deflect.CodeCharacters},
		{"invalid UTF-8 by a marshaler", asJSON{"{\"a\xff\":1}"}, deflect.CodeCharacters},
		{"invalid UTF-8 by a text marshaler", asText{"\xff"}, deflect.CodeCharacters},
		{"invalid UTF-8 in a key", map[asText]int{{"\xc0\xaf"}: 1}, deflect.CodeCharacters},
		{"invalid UTF-8 in a struct", inStruct{Name: "\xed\xa0\x80"}, deflect.CodeCharacters},
		{"half a surrogate", json.RawMessage(`"\ud800"`), deflect.CodeCharacters},
		{"no JSON by a marshaler", asJSON{"{"}, deflect.CodeNotJSON},
		{"two values by a marshaler", asJSON{"1 2"}, deflect.CodeNotJSON},
		{"nothing by a marshaler", asJSON{""}, deflect.CodeNotJSON},
		{"no number", json.Number("1,2"), deflect.CodeNotJSON},
		{"a channel", make(chan int), deflect.CodeNotJSON},
		{"too deep", asJSON{strings.Repeat("[", 40) + strings.Repeat("]", 40)}, deflect.CodeNotJSON},
		{"too large by a marshaler", asJSON{`"` + strings.Repeat("x", wire.MaxInfo) + `"`}, deflect.CodeTooLong},
		{"larger than any memory", thicket(60), deflect.CodeTooLong},
	}
	api := livedeflecttest.New(doubleKeys)
	client := doubleClient(t, func() http.RoundTripper { return api })
	for _, tt := range tests {
		call := validCall()
		call.CallerInfo = map[string]any{"n": 1, "info": tt.value}
		_, offered := client.Offer(t.Context(), next(call))
		_, texted := client.Deflect(t.Context(), next(call))
		_, previewed := client.Preview(t.Context(), call)
		for what, err := range map[string]error{"Offer": offered, "Check": client.Check(t.Context(), call), "Preview": previewed, "Deflect": texted} {
			var v *deflect.ValidationError
			if !errors.Is(err, deflect.ErrInvalidCall) || !errors.As(err, &v) || v.Field != "CallerInfo" || v.Code != tt.code {
				t.Errorf("%s: %s: %v, want a problem of CallerInfo: %s", tt.name, what, err, tt.code)
			}
		}
	}
	if n := len(api.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// thicket is small, and has 2 to the power of levels leaves.
func thicket(levels int) any {
	v := any([]any{})
	for range levels {
		v = []any{v, v}
	}
	return v
}

// What encoding/json encodes well is sent as it encodes it.
func TestInfoAsEncodingJSON(t *testing.T) {
	for _, value := range []any{
		inStruct{Name: "<b>&\u2028\n", Inner: asText{"x"}, Raw: json.RawMessage(`{ "a" : "\u0041" }`), Bytes: []byte{0, 255}, plain: "\x00"},
		inStruct{}, &inStruct{}, (*inStruct)(nil), &asPointer{"[1, 2]"}, (*asPointer)(nil), json.RawMessage(nil),
		map[asText]int{{"b"}: 1, {"a"}: 2}, map[int]string{10: "x", 9: "y"}, map[json.Number]int{"1": 2}, json.Number(""), json.Number("1e999"),
		1e21, float32(0.1), time.Minute, time.Unix(0, 0).UTC(), [2]byte{1, 2}, []byte("ab"), errors.New("x"), "\ufffd", uint64(1 << 63),
	} {
		got, err := wire.ReadInfo(map[string]any{"x": value})
		want, wantErr := marshal(map[string]any{"x": value})
		if err != nil || wantErr != nil || !sameJSON(got, want) {
			t.Errorf("%T: %s, %v, want %s, %v", value, got, err, want, wantErr)
		}
	}
}

// FuzzInfo: what passes is strict JSON without control characters, arrives at the API byte
// for byte, and is taken there; what does not is refused before the offer. Nothing is
// refused that all of that could be said of.
func FuzzInfo(f *testing.F) {
	for how := range byte(16) {
		f.Add(how, "plan", "Gold", `{"a":[1,"\u0041",null]}`)
	}
	f.Add(byte(1), "\xff", "\x00", `{"a":1,"a":2}`)
	f.Add(byte(2), "a\u0085", "\ud7ff", `"\ud83d\ude00"`)
	f.Add(byte(3), "info", "12", ` [ {} , 1e5 ] `)
	f.Add(byte(9), "x", "-0", "\"\xed\xa0\x80\"")
	var api *livedeflecttest.Server
	client := doubleClient(f, func() http.RoundTripper { return api })
	f.Fuzz(func(t *testing.T, how byte, name, text, raw string) {
		var v any
		switch how % 12 {
		case 0:
			v = text
		case 1:
			v = json.RawMessage(raw)
		case 2:
			v = asJSON{raw}
		case 3:
			v = asText{text}
		case 4:
			v = map[asKey]string{{name, "1"}: text, {text, "2"}: name}
		case 5:
			v = inStruct{Name: name, Inner: asJSON{raw}, Bytes: []byte(raw)}
		case 6:
			v = json.Number(text)
		case 7:
			v = []any{&asPointer{raw}, map[string]any{name: []string{text}}}
		case 8:
			v = jsontext.Value(raw)
		case 9:
			v = map[string]any{name: json.RawMessage(raw), text: 1}
		case 10:
			v = [1]any{len(text)}
		case 11:
			v = []byte(text)
		}
		call := validCall()
		call.CallerInfo = map[string]any{name: v, "flag": how > 127}
		api = livedeflecttest.New(doubleKeys)
		_, refused := client.Offer(t.Context(), next(call))
		_, err := client.Deflect(t.Context(), next(call))
		if refused != nil {
			if !errors.Is(refused, deflect.ErrInvalidCall) || !errors.Is(err, deflect.ErrInvalidCall) || len(api.Requests()) > 0 {
				t.Errorf("Offer: %v, Deflect: %v, %d requests", refused, err, len(api.Requests()))
			}
			plain, err := marshal(call.CallerInfo)
			if err == nil && len(plain) <= wire.MaxInfo && !bytes.Contains(plain, []byte(`\ufffd`)) && goodInfo(plain) {
				t.Errorf("%q is refused: %v", plain, refused)
			}
			return
		}
		if err != nil {
			t.Fatalf("offered, and then: %v", err)
		}
		sent := api.Sent()[0].CallerInfo
		if !goodInfo(sent) {
			t.Errorf("sent %q", sent)
		}
		if b, err := wire.ReadInfo(call.CallerInfo); err != nil || !bytes.Equal(b, sent) {
			t.Errorf("sent %s, encoded %s, %v", sent, b, err)
		}
	})
}

// goodInfo judges encoded caller info by a reader of its own.
func goodInfo(b []byte) bool {
	if !jsontext.Value(b).IsValid() || len(b) > 16<<10 {
		return false
	}
	for dec := jsontext.NewDecoder(bytes.NewReader(b)); ; {
		token, err := dec.ReadToken()
		if err != nil {
			return err == io.EOF
		}
		if dec.StackDepth() > 32 {
			return false
		}
		if token.Kind() != '"' {
			continue
		}
		for _, r := range token.String() {
			if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f && r < 0xa0 {
				return false
			}
		}
	}
}

var doubleKeys = livedeflecttest.Config{SiteID: "38856538", ConsumerKey: "k", ConsumerSecret: "s", Token: "t", TokenSecret: "ts"}

// doubleClient is a client of whatever double there is at the moment.
func doubleClient(t testing.TB, api func() http.RoundTripper) *bothClient {
	return testClient(t, func(c *bothConfig) {
		c.Transport = transportFunc(func(req *http.Request) (*http.Response, error) { return api().RoundTrip(req) })
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
