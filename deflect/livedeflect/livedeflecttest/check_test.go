package livedeflecttest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	handle := "deflectionHandle must be customerCountryCode and customerPhoneNumber"
	for _, tt := range []struct {
		name   string
		change change
		want   string
	}{
		{"other account", change{"siteId": "1"}, "siteId is not the account of this key"},
		{"not mobile", change{"isMobile": "false"}, `isMobile must be "true"`},
		{"other channel", change{"deflectionChannel": "wa"}, `deflectionChannel must be "sms"`},
		{"plus in country code", change{"customerCountryCode": "+1"}, "customerCountryCode must be a country code in digits; " + handle},
		{"long country code", change{"dialedCountryCode": "1234"}, "dialedCountryCode must be a country code in digits"},
		{"country code with 0", change{"dialedCountryCode": "01"}, "dialedCountryCode must be a country code in digits"},
		{"formatted number", change{"dialedPhoneNumber": "402-974-2345"}, "dialedPhoneNumber must be up to 15 digits"},
		{"long number", change{"dialedPhoneNumber": "1234567890123456"}, "dialedPhoneNumber must be up to 15 digits"},
		{"handle with plus", change{"deflectionHandle": "+14043438646"}, "deflectionHandle must be up to 15 digits; " + handle},
		{"other handle", change{"deflectionHandle": "14043438647"}, handle},
		{"handle without country code", change{"deflectionHandle": "4043438646"}, handle},
		{"handle without two zeros", change{"customerPhoneNumber": "004043438646"}, handle},
		{"seconds", change{"deflectionAcceptTime": "1528932953"}, "deflectionAcceptTime must be epoch milliseconds in digits"},
		{"not a time", change{"callBeginTime": "2018-06-13T23:35"}, "callBeginTime must be epoch milliseconds in digits"},
		{"leading zero", change{"callBeginTime": "0528932953100"}, "callBeginTime must be epoch milliseconds in digits"},
		{"backwards", change{"callBeginTime": "1528932953301"}, "deflectionAcceptTime must not be before callBeginTime"},
		{"id without descriptor", change{"externalCustomerIdDescriptor": nil}, "externalCustomerId and externalCustomerIdDescriptor must come together"},
		{"descriptor without id", change{"externalCustomerId": ""}, "externalCustomerId and externalCustomerIdDescriptor must come together"},
		{"tags differ", change{"deflectionTextTag": "template-2"}, "deflectionTextTag and deflectionTagText must agree"},
		{"long text", change{"deflectionText": strings.Repeat("é", 1601)}, "deflectionText is longer than 1600 characters"},
		{"number for a string", change{"customerCountryCode": 1}, "customerCountryCode must be a string"},
		{"bool for a string", change{"isMobile": true}, "isMobile must be a string"},
		{"null for a string", change{"firstName": json.RawMessage("null")}, "firstName must be a string"},
		{"string for an object", change{"callerInfo": `{"a":1}`}, "callerInfo must be an object"},
		{"null for an object", change{"callerInfo": json.RawMessage("null")}, "callerInfo must be an object"},
		{"array for an object", change{"callerInfo": json.RawMessage("[]")}, "callerInfo must be an object"},
		{"unknown field", change{"colour": "red", "Skill": "sales"}, `unknown field "Skill"; unknown field "colour"`},
		{"twice in caller info", change{"callerInfo": json.RawMessage(`{"a":[{"b":1,"b":2}],"a":3}`)}, `key "b" comes twice; key "a" comes twice`},
		{"all at once", change{"siteId": nil, "skill": "", "isMobile": "no", "deflectionHandle": nil}, `siteId is required; skill is required; deflectionHandle is required; isMobile must be "true"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			wantRefusal(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, tt.change))), http.StatusBadRequest, tt.want)
			if len(s.Sent()) != 0 {
				t.Errorf("got %v, want nothing sent", s.Sent())
			}
		})
	}
}

func TestCheckRequiredFields(t *testing.T) {
	t.Parallel()
	required := []string{
		"siteId", "skill", "customerCountryCode", "customerPhoneNumber", "isMobile", "deflectionAcceptTime",
		"callBeginTime", "externalCallId", "dialedCountryCode", "dialedPhoneNumber", "deflectionChannel", "deflectionHandle",
	}
	for name := range testFields() {
		for _, value := range []any{nil, ""} {
			if name == "callerInfo" && value == "" || strings.HasPrefix(name, "externalCustomer") {
				continue
			}
			s := New(testConfig())
			got := send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{name: value})))
			isRequired := false
			for _, r := range required {
				isRequired = isRequired || r == name
			}
			if isRequired {
				wantRefusal(t, got, http.StatusBadRequest, name+" is required")
			} else {
				wantSent(t, got, 473513)
			}
		}
	}
}

func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	for _, tt := range []struct {
		name   string
		unit   TimeUnit
		change change
	}{
		{"the vendor's example", Milliseconds, nil},
		{"the table's spelling of the tag", Milliseconds, change{"deflectionTagText": nil, "deflectionTextTag": "template-1"}},
		{"both spellings", Milliseconds, change{"deflectionTextTag": "template-1"}},
		{"no pair", Milliseconds, change{"externalCustomerId": nil, "externalCustomerIdDescriptor": nil}},
		{"the longest text", Milliseconds, change{"deflectionText": strings.Repeat("é", 1600)}},
		{"trunk prefix kept in the handle", Milliseconds, change{"customerCountryCode": "61", "customerPhoneNumber": "0400111222", "deflectionHandle": "610400111222"}},
		{"trunk prefix dropped in the handle", Milliseconds, change{"customerCountryCode": "61", "customerPhoneNumber": "0400111222", "deflectionHandle": "61400111222"}},
		{"same time", Milliseconds, change{"callBeginTime": "1528932953300"}},
		{"the year 2000", Milliseconds, change{"callBeginTime": "946684800000", "deflectionAcceptTime": "946684800000"}},
		{"seconds", Seconds, change{"callBeginTime": "1528932953", "deflectionAcceptTime": "1528932953"}},
		{"seconds of the year 2000", Seconds, change{"callBeginTime": "946684800", "deflectionAcceptTime": "1528932953"}},
		{"any, seconds", Any, change{"callBeginTime": "1528932953", "deflectionAcceptTime": "1528932953"}},
		{"any, milliseconds", Any, nil},
		{"numbers too large for anybody", Milliseconds, change{"callerInfo": json.RawMessage(`{"a":1e999,"b":{"a":[1,{"a":null}]}}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.TimeUnit = tt.unit
			s := New(cfg)
			wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, tt.change))), 473513)
		})
	}
}

func TestCheckUnits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		unit          TimeUnit
		begin, accept string
		want          string
	}{
		{Seconds, "1528932953100", "1528932953300", "deflectionAcceptTime must be epoch seconds in digits; callBeginTime must be epoch seconds in digits"},
		{Any, "1528932953", "1528932953300", "deflectionAcceptTime and callBeginTime must have the same unit"},
		{Any, "1528932953", "15289329531", "deflectionAcceptTime must be epoch milliseconds or seconds in digits"},
		{Any, "1528932953", "1528932952", "deflectionAcceptTime must not be before callBeginTime"},
	} {
		cfg := testConfig()
		cfg.TimeUnit = tt.unit
		s := New(cfg)
		body := testBody(t, map[string]any{"callBeginTime": tt.begin, "deflectionAcceptTime": tt.accept})
		wantRefusal(t, send(inMemory(s), request(t, t.Context(), s, body)), http.StatusBadRequest, tt.want)
	}
}

func TestCheckBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"empty", "", "the body is not JSON"},
		{"cut", `{"siteId":"1"`, "the body is not JSON"},
		{"comma at the end", `{"siteId":"1",}`, "the body is not JSON"},
		{"two objects", `{}{}`, "the body is not JSON"},
		{"array", `[]`, "the body is not a JSON object"},
		{"null", `null`, "the body is not a JSON object"},
		{"string", `"{}"`, "the body is not a JSON object"},
		{"not UTF-8", "{\"siteId\":\"\xff\"}", "the body is not UTF-8"},
		{"twice", `{"skill":"a","skill":"b"}`, `key "skill" comes twice`},
		{"twice, once escaped", `{"sk\"ill":"a,\\","sk\u0022ill":"b"}`, `key "sk\"ill" comes twice; unknown field "sk\"ill"`},
		{"as key and as value", `{"a":"b","b":["a","a",{"a":"a"},"a"],"c":["b"]}`, `unknown field "a"; unknown field "b"; unknown field "c"`},
		{"too large", `{"skill":"` + strings.Repeat("a", double.MaxBody) + `"}`, "the body is larger than 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			wantRefusal(t, send(inMemory(s), request(t, t.Context(), s, tt.body)), http.StatusBadRequest, tt.want)
		})
	}
}

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	const kind, accept = "Content-Type must be application/json", "Accept must be application/json"
	for _, tt := range []struct{ header, value, want string }{
		{"Content-Type", "", kind},
		{"Content-Type", "text/json", kind},
		{"Content-Type", "application/json; charset=latin1", kind},
		{"Content-Type", "application/json; charset=UTF-8", ""},
		{"Accept", "", accept},
		{"Accept", "*/*", accept},
		{"Accept", "text/html, application/json;q=0.9", ""},
		{"Content-Encoding", "gzip", "Content-Encoding must not be set"},
	} {
		s := New(testConfig())
		req := request(t, t.Context(), s, testBody(t, nil))
		req.Header.Set(tt.header, tt.value)
		got := send(inMemory(s), req)
		if tt.want == "" {
			wantSent(t, got, 473513)
		} else {
			wantRefusal(t, got, http.StatusBadRequest, tt.want)
		}
	}
}

// Over a socket a body may end early; the handler then says so to the record.
func TestCheckUnreadableBody(t *testing.T) {
	t.Parallel()
	a := &double.Arrival{Header: http.Header{"Content-Type": {double.JSONType}, "Accept": {double.JSONType}}}
	a.ReadBody(iotest.ErrReader(errors.New("gone")))
	if _, reason := New(testConfig()).check(a); reason != "the body could not be read" {
		t.Errorf("got %q", reason)
	}
}

func TestSentHasEveryField(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))), 473513)
	got := s.Sent()
	if len(got) != 1 {
		t.Fatalf("got %d texts, want 1", len(got))
	}
	want := Deflection{
		CallID: "473513", Time: got[0].Time,
		SiteID: "38856538", Skill: "sales", CustomerCountryCode: "1", CustomerPhoneNumber: "4043438646",
		IsMobile: "true", DeflectionAcceptTime: "1528932953300", CallBeginTime: "1528932953100",
		ExternalCallID: "1231", DialedCountryCode: "1", DialedPhoneNumber: "4029742345",
		DeflectionChannel: "sms", DeflectionHandle: "14043438646",
		DeflectionText: "Welcome to our IVR Deflection solution",
		CallerInfo:     json.RawMessage(`{"userdefinedvar":50,"tshirtsize":"Large"}`), CallerEnteredDigits: "1234",
		FirstName: "John", LastName: "Doe", DeflectionTagText: "template-1",
		ExternalCustomerIDDescriptor: "CustomerId", ExternalCustomerID: "123456",
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got[0].CallerInfo[0] = 'x'
	if s.Sent()[0].CallerInfo[0] != '{' {
		t.Error("what Sent gives is not a copy")
	}
}
