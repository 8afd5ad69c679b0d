package livedeflect

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// object is a JSON object that is being written, without its closing brace.
type object []byte

// name begins a field.
func (o object) name(name string) object {
	before := byte(',')
	if len(o) == 0 {
		before = '{'
	}
	return append(appendText(append(o, before), name), ':')
}

func (o object) text(name, value string) object { return appendText(o.name(name), value) }

// optional leaves out what is empty.
func (o object) optional(name, value string) object {
	if value == "" {
		return o
	}
	return o.text(name, value)
}

// appendText appends a JSON string. What is not UTF-8 was refused before.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// flatInfo encodes caller info as it comes from phone systems: a few texts, numbers
// and switches. It reports false for anything else, and for what may be refused.
func flatInfo(info map[string]any) ([]byte, bool) {
	const most = 64
	if len(info) == 0 || len(info) > most {
		return nil, false
	}
	var space [most]string
	names := space[:0]
	for name := range info {
		names = append(names, name)
	}
	slices.Sort(names)
	o := make(object, 0, 32*len(info))
	for _, name := range names {
		if !clean.Printable(name, "\n\r\t") {
			return nil, false
		}
		o = o.name(name)
		switch v := info[name].(type) {
		case string:
			if !clean.Printable(v, "\n\r\t") {
				return nil, false
			}
			o = appendText(o, v)
		case bool:
			o = strconv.AppendBool(o, v)
		case int:
			o = strconv.AppendInt(o, int64(v), 10)
		default:
			return nil, false
		}
	}
	o = append(o, '}')
	return o, len(o) <= maxInfoBytes
}
