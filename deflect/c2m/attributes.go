package c2m

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// attribute is a place in the engagement attributes (SDEs) that agents are shown. The first
// ones are of ctmrinfo, those from firstname on of personal, in the order of the vendor's
// pages.
type attribute int

const (
	companyBranch attribute = iota
	cstatus
	ctype
	customerID
	balance
	currency
	socialID
	imei
	userName
	companySize
	accountName
	role
	storeNumber
	storeZipCode

	firstname
	lastname
	contactEmail // of the one contact
	contactPhone
	gender
	language
	company

	attributes // how many there are
)

var attributeNames = [attributes]string{
	"companyBranch", "cstatus", "ctype", "customerId", "balance", "currency", "socialId", "imei", "userName",
	"companySize", "accountName", "role", "storeNumber", "storeZipCode",
	"firstname", "lastname", "email", "phone", "gender", "language", "company",
}

// attributeOf finds an attribute by its name in small letters.
var attributeOf = func() map[string]attribute {
	byName := map[string]attribute{}
	for a, name := range attributeNames {
		byName[strings.ToLower(name)] = attribute(a)
	}
	return byName
}()

// sdes are the values of attributes, as JSON; nil for none.
type sdes [attributes]jsontext.Value

// info puts caller info, as JSON, where its names say, and returns the names of what
// has no place.
func (v *sdes) info(info []byte) (left []string) {
	if len(info) == 0 {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(info), jsontext.AllowDuplicateNames(true)) // there are none
	_, _ = dec.ReadToken()                                                                // the brace of what we encoded
	for dec.PeekKind() == '"' {
		token, _ := dec.ReadToken()
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			break
		}
		a, known := attributeOf[strings.ToLower(name)]
		if known && v[a] != nil {
			known = false // two names that differ in their case: one of them has no place
		}
		if known {
			var held jsontext.Value
			if held, known = a.value(value.Clone()); known {
				v[a] = held
			}
		}
		if !known {
			left = append(left, name)
		}
	}
	return left
}

// value is what an attribute makes of a value of caller info: nil for what is empty. It
// reports false for what the attribute cannot hold, and the API might refuse with all else.
func (a attribute) value(v jsontext.Value) (jsontext.Value, bool) {
	kind := v.Kind()
	if kind == '{' || kind == '[' {
		return nil, false
	}
	text := strings.TrimSpace(wire.Scalar(v))
	if text == "" {
		return nil, true
	}
	switch a {
	case balance:
		number := jsontext.Value(text)
		return number, number.Kind() == '0' && number.IsValid()
	case companySize:
		_, err := strconv.ParseUint(text, 10, 31)
		return jsontext.Value(text), err == nil && jsontext.Value(text).IsValid()
	case gender:
		text = strings.ToUpper(text)
		if text != "MALE" && text != "FEMALE" && text != "OTHER" {
			return nil, false
		}
		return quoted(text), true
	}
	if kind == '"' {
		return v, true
	}
	return quoted(text), true
}

func quoted(text string) jsontext.Value { return wire.AppendText(nil, text) }

// own puts what a call has of its own: over caller info of that name where the place is
// that field's, into a free place where it is only one of our choice. It returns what was
// left out for that.
func (v *sdes) own(t *deflect.Text) (left []string) {
	call := &t.Call
	for _, f := range [...]struct {
		a     attribute
		value string
	}{{customerID, call.CustomerID}, {firstname, call.FirstName}, {lastname, call.LastName}} {
		if f.value == "" {
			continue
		}
		if v[f.a] != nil {
			left = append(left, attributeNames[f.a])
		}
		v[f.a] = quoted(f.value)
	}
	for _, f := range [...]struct {
		a           attribute
		name, value string
	}{{ctype, "CustomerIDDescriptor", call.CustomerIDDescriptor}, {accountName, "Digits", call.Digits}, {storeNumber, "DNIS", t.Dialed.E164}} {
		switch {
		case f.value == "":
		case v[f.a] != nil:
			left = append(left, f.name)
		default:
			v[f.a] = quoted(f.value)
		}
	}
	return left
}

// write writes the list of attributes behind its name, if there are any.
func (v *sdes) write(o wire.Object) wire.Object {
	begun := len(o)
	o = v.entity(o, begun, `{"type":"ctmrinfo","info":{`, 0, firstname)
	o = v.entity(o, begun, `{"type":"personal","personal":{`, firstname, attributes)
	if len(o) > begun {
		o = append(o, ']')
	}
	return o
}

// entity writes the attributes of one type into the list that begins there.
func (v *sdes) entity(o wire.Object, list int, head string, from, to attribute) wire.Object {
	begun := len(o)
	for a := from; a < to; a++ {
		value := v[a]
		if value == nil {
			continue
		}
		switch {
		case len(o) > begun:
			o = append(o, ',')
		case len(o) > list:
			o = append(append(o, ','), head...)
		default:
			o = append(append(o.Name("sdes"), '['), head...)
		}
		switch {
		case a == contactEmail && v[contactPhone] != nil:
			o = member(append(o, `"contacts":[{`...), a, value)
			o = append(member(append(o, ','), contactPhone, v[contactPhone]), "}]"...)
			a = contactPhone
		case a == contactEmail, a == contactPhone:
			o = append(member(append(o, `"contacts":[{`...), a, value), "}]"...)
		default:
			o = member(o, a, value)
		}
	}
	if len(o) > begun {
		o = append(o, "}}"...)
	}
	return o
}

func member(o wire.Object, a attribute, value jsontext.Value) wire.Object {
	return append(append(wire.AppendText(o, attributeNames[a]), ':'), value...)
}

// leftOut tells once of each name of caller info that agents are not shown.
type leftOut struct {
	mu   sync.Mutex
	told map[string]bool
}

func (l *leftOut) tell(log *slog.Logger, names []string) {
	const most = 100 // names may come from callers
	for _, name := range names {
		l.mu.Lock()
		if l.told == nil {
			l.told = map[string]bool{}
		}
		known := l.told[name] || len(l.told) >= most
		if !known {
			l.told[name] = true
		}
		l.mu.Unlock()
		if !known {
			log.Warn("agents are not shown something that is known of calls: the API has no place for it, or one for other values; name caller info as the attributes are named",
				"name", clean.Text(name))
		}
	}
}
