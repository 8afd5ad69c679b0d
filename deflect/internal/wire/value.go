package wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// AnswerOptions are generous: what is odd about an answer must not turn one that
// says something into one that cannot be read.
var AnswerOptions = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// Scalar returns a JSON string's text, or the literal of anything else; null and an
// absent field are empty.
func Scalar(v jsontext.Value) string {
	switch v.Kind() {
	case jsontext.KindInvalid, jsontext.KindNull:
		return ""
	case jsontext.KindString:
		return string(Unquote(v))
	}
	return string(v)
}

// Unquote returns the text of a valid JSON string, with invalid UTF-8 replaced;
// it may share its memory.
func Unquote(v jsontext.Value) []byte {
	if bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
		return v[1 : len(v)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, v)
	return b
}
