package c2m

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// TestAttributes holds what agents are shown to the table of the package's documentation.
func TestAttributes(t *testing.T) {
	const dialed = `"storeNumber":"+18005550100"`
	for _, tt := range []struct {
		name string
		call func(*deflect.Call)
		sdes string
		left []string
	}{
		{"nothing but the call", func(c *deflect.Call) { c.Digits = "" }, `[{"type":"ctmrinfo","info":{` + dialed + `}}]`, nil},
		{"digits", func(*deflect.Call) {}, `[{"type":"ctmrinfo","info":{"accountName":"1234",` + dialed + `}}]`, nil},
		{"names and ids", func(c *deflect.Call) {
			c.FirstName, c.LastName, c.CustomerID, c.CustomerIDDescriptor = "Ann", `O'"Neil`, "7", "CRM"
		}, `[{"type":"ctmrinfo","info":{"ctype":"CRM","customerId":"7","accountName":"1234",` + dialed + `}},
			{"type":"personal","personal":{"firstname":"Ann","lastname":"O'\"Neil"}}]`, nil},
		{"every attribute", func(c *deflect.Call) {
			c.Digits, c.CallerInfo = "", map[string]any{
				"companyBranch": "a", "cstatus": "b", "ctype": "c", "customerId": "d", "balance": -400.99, "currency": "USD", "socialId": 11256324780,
				"imei": "e", "userName": "f", "companySize": 500, "accountName": "g", "role": true, "storeNumber": "h", "storeZipCode": "i",
				"firstname": "j", "lastname": "k", "email": "l@example.com", "phone": "m", "gender": "female", "language": "en-US", "company": "n",
			}
		}, `[{"type":"ctmrinfo","info":{"companyBranch":"a","cstatus":"b","ctype":"c","customerId":"d","balance":-400.99,"currency":"USD",
				"socialId":"11256324780","imei":"e","userName":"f","companySize":500,"accountName":"g","role":"true","storeNumber":"h","storeZipCode":"i"}},
			{"type":"personal","personal":{"firstname":"j","lastname":"k","contacts":[{"email":"l@example.com","phone":"m"}],"gender":"FEMALE","language":"en-US","company":"n"}}]`, []string{"DNIS"}},
		{"numbers that are texts, capitals", func(c *deflect.Call) {
			c.CallerInfo = map[string]any{"BALANCE": " 12.50 ", "companysize": "7", "UserName": " x\ny ", "EMail": "a@example.com"}
		}, `[{"type":"ctmrinfo","info":{"accountName":"1234","balance":12.50,"companySize":7,"userName":" x\ny ",` + dialed + `}},
			{"type":"personal","personal":{"contacts":[{"email":"a@example.com"}]}}]`, nil},
		{"what has no place, or another one", func(c *deflect.Call) {
			c.CallerInfo = map[string]any{
				"plan": "Gold", "balance": "12,50", "companySize": 7.5, "gender": "x", "phone": []string{"1"}, "role": nil, "cstatus": "", "ctype": map[string]any{},
			}
		}, `[{"type":"ctmrinfo","info":{"accountName":"1234",` + dialed + `}}]`, []string{"balance", "companySize", "ctype", "gender", "phone", "plan"}},
		{"one name in two cases", func(c *deflect.Call) { c.CallerInfo = map[string]any{"Role": "a", "role": "b"} },
			`[{"type":"ctmrinfo","info":{"accountName":"1234","role":"a",` + dialed + `}}]`, []string{"role"}},
		{"places that are taken", func(c *deflect.Call) {
			c.FirstName, c.CustomerID, c.CustomerIDDescriptor = "Ann", "7", "CRM"
			c.CallerInfo = map[string]any{"firstname": "Bob", "customerId": "8", "ctype": "vip", "accountName": "bank", "storeNumber": "9"}
		}, `[{"type":"ctmrinfo","info":{"accountName":"bank","ctype":"vip","customerId":"7","storeNumber":"9"}},{"type":"personal","personal":{"firstname":"Ann"}}]`,
			[]string{"CustomerIDDescriptor", "DNIS", "Digits", "customerId", "firstname"}},
		{"what a journal kept", func(c *deflect.Call) {
			c.CallerInfo = map[string]any{"role": json.RawMessage(`"a\u00e9"`), "balance": json.RawMessage(`1e2`)}
		}, `[{"type":"ctmrinfo","info":{"accountName":"1234","balance":1e2,"role":"aé",` + dialed + `}}]`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			api := &stub{}
			c := testClient(t, api, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			call := testCall()
			tt.call(&call)
			text := asked(t, c, call)
			wantJSON(t, api.last(), `{"skill":"sales","consumerPhoneNumber":"+14043438646","handoffId":"H123456789","sdes":`+tt.sdes+`}`)
			left := c.Preview(text).LeftOut
			slices.Sort(left)
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Error(diff)
			}
			asked(t, c, call) // told once
			lines := strings.Count(log.String(), "\n")
			if lines != len(tt.left) || strings.Contains(log.String(), "Gold") || strings.Contains(log.String(), "12,50") {
				t.Errorf("%d lines for %d names:\n%s", lines, len(tt.left), &log)
			}
		})
	}
}

// Names of caller info may come from whoever calls: logs do not grow by them.
func TestLeftOutIsBounded(t *testing.T) {
	var log bytes.Buffer
	var l leftOut
	for i := range 1000 {
		l.tell(slog.New(slog.NewTextHandler(&log, nil)), []string{fmt.Sprint("x-\n", i), "4043438646"})
	}
	if lines := strings.Count(log.String(), "\n"); lines != 100 || strings.Contains(log.String(), "404343") {
		t.Errorf("%d lines:\n%.200s", lines, &log)
	}
}

// FuzzEncode: whatever a call that passes holds, the body is strict JSON and says that.
func FuzzEncode(f *testing.F) {
	f.Add("sales", "Ann", "7", "CRM", "1234", "role", "x\u2028<", "Gold", 0.5)
	f.Add("\u00e9\U0001f600\"\\", "", "", "", "", "Balance", " 1e5 ", "\t", -1.0)
	f.Add("a", "b", "c", "d", "5", "phone", "1", "companySize", 7.0)
	f.Fuzz(func(t *testing.T, skill, first, id, kind, digits, name, value, variable string, number float64) {
		api := &stub{}
		c := testClient(t, api, nil)
		call := deflect.Call{
			ANI: "+14043438646", DNIS: "+18005550100", Skill: skill, FirstName: first, CustomerID: id, CustomerIDDescriptor: kind, Digits: digits,
			CallerInfo: map[string]any{name: value, "n" + name: number}, TemplateVariables: map[string]string{"1": variable},
		}
		for _, s := range []*string{&call.Skill, &call.FirstName, &call.CustomerID, &call.CustomerIDDescriptor, &call.Digits, &variable} {
			*s = strings.ToValidUTF8(*s, "?") // what is not was refused before
		}
		call.TemplateVariables["1"] = variable
		text := &deflect.Text{Call: call}
		text.Customer.E164, text.Dialed.E164 = "+14043438646", "+18005550100"
		if len(c.Read(text)) > 0 {
			t.Skip()
		}
		want(t, c.Ask(t.Context(), text), deflect.Sent, deflect.ReasonOK)
		var body struct {
			Skill               string
			ConsumerPhoneNumber string
			HandoffID           string
			Sdes                []struct {
				Type           string
				Info, Personal map[string]any
			}
			TemplateVariables map[string]string
		}
		dec := json.NewDecoder(strings.NewReader(api.last()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&body); err != nil {
			t.Fatalf("%s: %v", api.last(), err)
		}
		if body.Skill != call.Skill || body.ConsumerPhoneNumber != "+14043438646" || body.HandoffID != "H123456789" || body.TemplateVariables["1"] != variable {
			t.Errorf("%s", api.last())
		}
		for _, sde := range body.Sdes {
			for name, value := range sde.Info {
				if _, isNumber := value.(float64); isNumber != (name == "balance" || name == "companySize") {
					t.Errorf("%s is %v", name, value)
				}
			}
			if (sde.Info == nil) == (sde.Personal == nil) || sde.Info != nil != (sde.Type == "ctmrinfo") {
				t.Errorf("%s", api.last())
			}
		}
		if !c.Fresh(text) {
			t.Error("the ticket is not fresh")
		}
	})
}
