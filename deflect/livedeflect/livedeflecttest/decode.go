package livedeflecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

const (
	jsonType   = "application/json"
	callerInfo = "callerInfo"
)

// field is a string in the body of a request, and where it goes.
type field[T any] struct {
	name     string
	required bool
	value    func(*T) *string
}

// fields is the published table, without callerInfo, which alone is not a
// string. The table and the example spell the tag differently; both are taken.
var fields = []field[Deflection]{
	{"siteId", true, func(d *Deflection) *string { return &d.SiteID }},
	{"skill", true, func(d *Deflection) *string { return &d.Skill }},
	{"customerCountryCode", true, func(d *Deflection) *string { return &d.CustomerCountryCode }},
	{"customerPhoneNumber", true, func(d *Deflection) *string { return &d.CustomerPhoneNumber }},
	{"isMobile", true, func(d *Deflection) *string { return &d.IsMobile }},
	{"deflectionAcceptTime", true, func(d *Deflection) *string { return &d.DeflectionAcceptTime }},
	{"callBeginTime", true, func(d *Deflection) *string { return &d.CallBeginTime }},
	{"externalCallId", true, func(d *Deflection) *string { return &d.ExternalCallID }},
	{"dialedCountryCode", true, func(d *Deflection) *string { return &d.DialedCountryCode }},
	{"dialedPhoneNumber", true, func(d *Deflection) *string { return &d.DialedPhoneNumber }},
	{"deflectionChannel", true, func(d *Deflection) *string { return &d.DeflectionChannel }},
	{"deflectionHandle", true, func(d *Deflection) *string { return &d.DeflectionHandle }},
	{"deflectionText", false, func(d *Deflection) *string { return &d.DeflectionText }},
	{"callerEnteredDigits", false, func(d *Deflection) *string { return &d.CallerEnteredDigits }},
	{"firstName", false, func(d *Deflection) *string { return &d.FirstName }},
	{"lastName", false, func(d *Deflection) *string { return &d.LastName }},
	{"deflectionTextTag", false, func(d *Deflection) *string { return &d.DeflectionTextTag }},
	{"deflectionTagText", false, func(d *Deflection) *string { return &d.DeflectionTagText }},
	{"externalCustomerIdDescriptor", false, func(d *Deflection) *string { return &d.ExternalCustomerIDDescriptor }},
	{"externalCustomerId", false, func(d *Deflection) *string { return &d.ExternalCustomerID }},
}

// decodeDeflection reads a body strictly: only known names, each once, each
// with the JSON type of the vendor's example.
func decodeDeflection(a *arrival) (d Deflection, problems []string) {
	rest, problems := decodeStrings(a, fields, &d)
	if raw, ok := rest[callerInfo]; ok {
		if raw[0] != '{' {
			problems = append(problems, callerInfo+" must be an object")
		}
		d.CallerInfo = raw
		delete(rest, callerInfo)
	}
	return d, append(problems, unknown(rest)...)
}

// decodeStrings reads the fields of a body that are strings, and gives the
// members that are none of them.
func decodeStrings[T any](a *arrival, fields []field[T], to *T) (rest map[string]json.RawMessage, problems []string) {
	switch {
	case a.bodyErr != nil:
		return nil, []string{"the body could not be read"}
	case len(a.body) > maxBody:
		return nil, []string{fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	case !utf8.Valid(a.body):
		return nil, []string{"the body is not UTF-8"}
	case !json.Valid(a.body):
		return nil, []string{"the body is not JSON"}
	}
	if json.Unmarshal(a.body, &rest) != nil || rest == nil {
		return nil, []string{"the body is not a JSON object"}
	}
	for _, name := range duplicateKeys(a.body) {
		problems = append(problems, fmt.Sprintf("key %s comes twice", quote(name)))
	}
	for _, f := range fields {
		if raw, ok := rest[f.name]; ok && raw[0] == '"' {
			*f.value(to) = stringValue(raw)
		} else if ok {
			problems = append(problems, f.name+" must be a string")
		}
		delete(rest, f.name)
	}
	return rest, problems
}

func unknown(rest map[string]json.RawMessage) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		problems = append(problems, fmt.Sprintf("unknown field %s", quote(name)))
	}
	return problems
}

// missing finds the required fields that are absent or empty.
func missing[T any](fields []field[T], in *T) (problems []string) {
	for _, f := range fields {
		if f.required && *f.value(in) == "" {
			problems = append(problems, f.name+" is required")
		}
	}
	return problems
}

// duplicateKeys finds keys that come twice in one object, at any depth, in
// valid JSON. Readers disagree on which of the two counts, so a client must not
// send them.
func duplicateKeys(valid []byte) (names []string) {
	var open []map[string]bool // the keys of the objects we are in; nil: an array
	key := false               // the next string is a key
	for i := 0; i < len(valid); i++ {
		switch valid[i] {
		case '{':
			open, key = append(open, map[string]bool{}), true
		case '[':
			open, key = append(open, nil), false
		case '}', ']':
			open, key = open[:len(open)-1], false
		case ',':
			key = open[len(open)-1] != nil
		case '"':
			end := stringEnd(valid, i)
			if key {
				name, keys := stringValue(valid[i:end]), open[len(open)-1]
				if keys[name] {
					names = append(names, name)
				}
				keys[name], key = true, false
			}
			i = end - 1
		}
	}
	return names
}

// stringEnd gives the index after the string that starts at i.
func stringEnd(valid []byte, i int) int {
	for i++; valid[i] != '"'; i++ {
		if valid[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// stringValue reads a valid JSON string. Most have nothing to unescape.
func stringValue(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	json.Unmarshal(raw, &s) // cannot fail: raw is valid
	return s
}
