package wire

import "github.com/go-json-experiment/json/jsontext"

// Object is a JSON object that is being written, without its closing brace.
type Object []byte

// Name begins a field.
func (o Object) Name(name string) Object {
	before := byte(',')
	if len(o) == 0 {
		before = '{'
	}
	return append(AppendText(append(o, before), name), ':')
}

// Text writes a field that is a string.
func (o Object) Text(name, value string) Object { return AppendText(o.Name(name), value) }

// Optional leaves out what is empty.
func (o Object) Optional(name, value string) Object {
	if value == "" {
		return o
	}
	return o.Text(name, value)
}

// AppendText appends a JSON string. What is not UTF-8 was refused before.
func AppendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
