package livedeflecttest

import (
	"encoding/json"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const callerInfo = "callerInfo"

// fields is the published table, without callerInfo, which alone is not a
// string. The table and the example spell the tag differently; both are taken.
var fields = []double.Field[Deflection]{
	double.Required("siteId", func(d *Deflection) *string { return &d.SiteID }),
	double.Required("skill", func(d *Deflection) *string { return &d.Skill }),
	double.Required("customerCountryCode", func(d *Deflection) *string { return &d.CustomerCountryCode }),
	double.Required("customerPhoneNumber", func(d *Deflection) *string { return &d.CustomerPhoneNumber }),
	double.Required("isMobile", func(d *Deflection) *string { return &d.IsMobile }),
	double.Required("deflectionAcceptTime", func(d *Deflection) *string { return &d.DeflectionAcceptTime }),
	double.Required("callBeginTime", func(d *Deflection) *string { return &d.CallBeginTime }),
	double.Required("externalCallId", func(d *Deflection) *string { return &d.ExternalCallID }),
	double.Required("dialedCountryCode", func(d *Deflection) *string { return &d.DialedCountryCode }),
	double.Required("dialedPhoneNumber", func(d *Deflection) *string { return &d.DialedPhoneNumber }),
	double.Required("deflectionChannel", func(d *Deflection) *string { return &d.DeflectionChannel }),
	double.Required("deflectionHandle", func(d *Deflection) *string { return &d.DeflectionHandle }),
	double.Optional("deflectionText", func(d *Deflection) *string { return &d.DeflectionText }),
	double.Optional("callerEnteredDigits", func(d *Deflection) *string { return &d.CallerEnteredDigits }),
	double.Optional("firstName", func(d *Deflection) *string { return &d.FirstName }),
	double.Optional("lastName", func(d *Deflection) *string { return &d.LastName }),
	double.Optional("deflectionTextTag", func(d *Deflection) *string { return &d.DeflectionTextTag }),
	double.Optional("deflectionTagText", func(d *Deflection) *string { return &d.DeflectionTagText }),
	double.Optional("externalCustomerIdDescriptor", func(d *Deflection) *string { return &d.ExternalCustomerIDDescriptor }),
	double.Optional("externalCustomerId", func(d *Deflection) *string { return &d.ExternalCustomerID }),
}

// decodeDeflection reads a body strictly: only known names, each once, each
// with the JSON type of the vendor's example.
func decodeDeflection(a *double.Arrival) (d Deflection, problems []string) {
	rest, problems := double.DecodeStrings(a, fields, &d)
	if raw, ok := rest[callerInfo]; ok {
		if raw[0] != '{' {
			problems = append(problems, callerInfo+" must be an object")
		}
		d.CallerInfo = raw
		delete(rest, callerInfo)
	}
	return d, append(problems, double.Unknown(rest)...)
}

// externalCallID reads the one field that tells calls apart, from any body.
func externalCallID(a *double.Arrival) string {
	var b struct {
		ExternalCallID string `json:"externalCallId"`
	}
	if json.Unmarshal(a.Body, &b) != nil {
		return ""
	}
	return b.ExternalCallID
}
