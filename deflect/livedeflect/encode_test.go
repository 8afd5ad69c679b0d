package livedeflect

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// wantInvite is the body of contextAndInvite as encoding/json writes it.
type wantInvite struct {
	SiteID                       string          `json:"siteId"`
	Skill                        string          `json:"skill"`
	CustomerCountryCode          string          `json:"customerCountryCode"`
	CustomerPhoneNumber          string          `json:"customerPhoneNumber"`
	IsMobile                     string          `json:"isMobile"`
	DeflectionAcceptTime         string          `json:"deflectionAcceptTime"`
	CallBeginTime                string          `json:"callBeginTime"`
	ExternalCallID               string          `json:"externalCallId"`
	DialedCountryCode            string          `json:"dialedCountryCode"`
	DialedPhoneNumber            string          `json:"dialedPhoneNumber"`
	DeflectionChannel            string          `json:"deflectionChannel"`
	DeflectionText               string          `json:"deflectionText,omitempty"`
	DeflectionHandle             string          `json:"deflectionHandle"`
	CallerInfo                   json.RawMessage `json:"callerInfo,omitempty"`
	CallerEnteredDigits          string          `json:"callerEnteredDigits,omitempty"`
	FirstName                    string          `json:"firstName,omitempty"`
	LastName                     string          `json:"lastName,omitempty"`
	DeflectionTextTag            string          `json:"deflectionTextTag,omitempty"`
	DeflectionTagText            string          `json:"deflectionTagText,omitempty"`
	ExternalCustomerIDDescriptor string          `json:"externalCustomerIdDescriptor,omitempty"`
	ExternalCustomerID           string          `json:"externalCustomerId,omitempty"`
}

// The body is what encoding/json makes of the same fields, whatever the texts hold.
func FuzzEncode(f *testing.F) {
	f.Add("1231", "sales", "Welcome <b>&\u2028\u2029", "vip", "1234", "Ann", "O'Neil", "7", "CRM", int64(1528932953100), int8(0))
	f.Add("\x00\x1f\b\f\n\r\t\"\\/\x7f", "\xff\xed\xa0\x80", "\u00e9\U0001f600\ufffd", "", "", "", "", "", "", int64(-1), int8(5))
	f.Fuzz(func(t *testing.T, id, skill, text, tag, digits, first, last, customer, kind string, ms int64, how int8) {
		for _, s := range []*string{&id, &skill, &text, &tag, &digits, &first, &last, &customer, &kind} {
			*s = strings.ToValidUTF8(*s, "?") // what is not was refused before
		}
		s := &setup{Config: Config{
			SiteID: "38856538", TimeUnit: TimeUnit(how & 1), TextTagField: TagField(how >> 1 & 3), TrunkPrefix: how&8 != 0,
		}}
		number, _ := numberplan.Parse("+61400111222", "US")
		dialed, _ := numberplan.Parse("+18005550100", "US")
		sent := &deflect.Text{Customer: number, Dialed: dialed, Call: deflect.Call{
			ExternalCallID: id, Skill: skill, Text: text, TextTag: tag, Digits: digits, FirstName: first, LastName: last,
			CustomerID: customer, CustomerIDDescriptor: kind, Start: time.UnixMilli(ms), Accepted: time.UnixMilli(ms).Add(time.Second),
		}}
		var info []byte
		if how&16 != 0 {
			info, _ = marshal(map[string]any{first: last, "<": 1})
		}
		want := wantInvite{
			SiteID: s.SiteID, Skill: skill, CustomerCountryCode: "61", CustomerPhoneNumber: s.nationalForm(number), IsMobile: "true",
			DeflectionAcceptTime: s.epoch(sent.Call.Accepted), CallBeginTime: s.epoch(sent.Call.Start), ExternalCallID: id,
			DialedCountryCode: "1", DialedPhoneNumber: "8005550100", DeflectionChannel: "sms", DeflectionText: text,
			DeflectionHandle: "61400111222", CallerInfo: info, CallerEnteredDigits: digits, FirstName: first, LastName: last,
			DeflectionTextTag: tag, DeflectionTagText: tag, ExternalCustomerIDDescriptor: kind, ExternalCustomerID: customer,
		}
		switch s.TextTagField {
		case TagTextTag:
			want.DeflectionTagText = ""
		case TagTagText:
			want.DeflectionTextTag = ""
		}
		wantBody, err := marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.encode(sent, info); !sameJSON(got, wantBody) {
			t.Errorf("encode =\n%s\nwant\n%s", got, wantBody)
		}
	})
}

// sameJSON compares but for the escapes that JavaScript once needed.
func sameJSON(got, want []byte) bool {
	return string(got) == strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(string(want))
}
