package c2mtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// kind is what a JSON value of an engagement attribute is.
type kind int

const (
	text kind = iota
	number
	date     // day, month and year
	age      // age, day, month and year
	contacts // a list
)

// attributes are the documented ones, by type of engagement attribute.
var attributes = map[string]struct {
	under string
	kinds map[string]kind
}{
	"ctmrinfo": {"info", map[string]kind{
		"cstatus": text, "ctype": text, "customerId": text, "balance": number, "currency": text, "socialId": text, "imei": text,
		"userName": text, "companySize": number, "companyBranch": text, "accountName": text, "role": text,
		"lastPaymentDate": date, "registrationDate": date, "storeNumber": text, "storeZipCode": text,
	}},
	"personal": {"personal", map[string]kind{
		"firstname": text, "lastname": text, "age": age, "contacts": contacts, "gender": text, "language": text, "company": text,
	}},
}

// parts are what the kinds that are objects hold.
var parts = map[kind]map[string]kind{
	date:     {"day": number, "month": number, "year": number},
	age:      {"age": number, "day": number, "month": number, "year": number},
	contacts: {"email": text, "phone": text, "phoneType": text},
}

// checkSDEs looks at the engagement attributes of an eligibility: an array, with each type
// at most once.
func checkSDEs(raw json.RawMessage) (problems []string) {
	var all []map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil || all == nil {
		return []string{"sdes must be an array of objects"}
	}
	seen := map[string]bool{}
	for _, sde := range all {
		var name string
		if json.Unmarshal(sde["type"], &name) != nil {
			name = ""
		}
		known, ok := attributes[name]
		switch {
		case !ok:
			problems = append(problems, "the type of one of sdes must be ctmrinfo or personal")
			continue
		case seen[name]:
			problems = append(problems, fmt.Sprintf("sdes has two of type %s", name))
			continue
		case len(sde) != 2 || sde[known.under] == nil:
			problems = append(problems, fmt.Sprintf("sdes of type %s must have %s, and no more", name, known.under))
			continue
		}
		seen[name] = true
		problems = append(problems, checkMembers("sdes."+name, sde[known.under], known.kinds)...)
	}
	return problems
}

func checkMembers(path string, raw json.RawMessage, kinds map[string]kind) (problems []string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return []string{path + " must be an object"}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		want, known := kinds[name]
		if !known {
			problems = append(problems, fmt.Sprintf("unknown field %s in %s", double.Quote(name), path))
			continue
		}
		problems = append(problems, checkKind(path+"."+name, members[name], want)...)
	}
	return problems
}

func checkKind(path string, raw json.RawMessage, want kind) []string {
	switch want {
	case text:
		if raw[0] != '"' {
			return []string{path + " must be a string"}
		}
	case number:
		if c := raw[0]; c != '-' && (c < '0' || c > '9') {
			return []string{path + " must be a number"}
		}
	case contacts:
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil || list == nil {
			return []string{path + " must be an array"}
		}
		var problems []string
		for _, one := range list {
			problems = append(problems, checkMembers(path, one, parts[contacts])...)
		}
		return problems
	default:
		return checkMembers(path, raw, parts[want])
	}
	return nil
}

// checkVariables looks at the variables of a template: names are its numbers.
func checkVariables(raw json.RawMessage) (variables map[string]string, problems []string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, []string{"templateVariables must be an object"}
	}
	variables = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var value string
		switch {
		case !double.DigitsOnly(name):
			problems = append(problems, fmt.Sprintf("the variable %s must be a number", double.Quote(name)))
		case json.Unmarshal(members[name], &value) != nil || members[name][0] != '"':
			problems = append(problems, "the variables of the template must be strings")
		}
		variables[name] = value
	}
	return variables, problems
}
