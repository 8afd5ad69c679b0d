package wire

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// MaxInfo is how many bytes of JSON caller info may have.
const MaxInfo = 16 << 10

const maxInfoDepth = 32

var (
	errInfoLarge = errors.New("is too large")
	errInfoText  = errors.New("holds invalid UTF-8 or control characters")
	errInfoDeep  = errors.New("is nested too deeply")
)

// ReadInfo encodes the caller info, as it is sent; nil for none. Texts in it may hold line breaks and tabs.
func ReadInfo(info map[string]any) ([]byte, *deflect.ValidationError) {
	bad := func(code deflect.FieldCode, format string, args ...any) ([]byte, *deflect.ValidationError) {
		return nil, &deflect.ValidationError{Field: "CallerInfo", Code: code, Detail: fmt.Sprintf(format, args...)}
	}
	if len(info) == 0 {
		return nil, nil
	}
	if b, ok := flatInfo(info); ok {
		return b, nil
	}
	b, err := encodeInfo(info)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, errInfoLarge):
		return bad(deflect.CodeTooLong, "is more than %d bytes as JSON", MaxInfo)
	case errors.Is(err, errInfoText):
		return bad(deflect.CodeCharacters, "%s", errInfoText)
	case errors.Is(err, errInfoDeep):
		return bad(deflect.CodeNotJSON, "%s", errInfoDeep)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return bad(deflect.CodeNotJSON, "has a name twice in one object, and readers differ in which of the two counts")
	default:
		// The error may quote the value.
		for _, value := range info {
			if _, err := encodeInfo(value); err != nil {
				return bad(deflect.CodeNotJSON, "cannot be encoded as JSON: a value of type %T in it", value)
			}
		}
		return bad(deflect.CodeNotJSON, "cannot be encoded as JSON")
	}
}

// infoOptions encode as encoding/json does, but refuse what that lets pass, also in what
// methods of an embedder's types return: invalid UTF-8, which it replaces or copies,
// and names that come twice in one object.
var infoOptions = json.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsontext.AllowInvalidUTF8(false), jsontext.AllowDuplicateNames(false),
	jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false), // what is sent is what a dry run shows
	json.WithMarshalers(json.MarshalToFunc(encodeNumber)),
)

// encodeNumber writes a number of encoding/json, which has no method that would.
func encodeNumber(enc *jsontext.Encoder, n stdjson.Number) error {
	if in, length := enc.StackIndex(enc.StackDepth()); in == '{' && length%2 == 0 {
		return errors.ErrUnsupported // a name, which is a text
	}
	if n == "" {
		n = "0" // as encoding/json has it
	}
	v := jsontext.Value(n)
	if v.Kind() != '0' {
		return errors.New("not a number")
	}
	return enc.WriteValue(v)
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
	o := make(Object, 0, 32*len(info))
	for _, name := range names {
		if !clean.Printable(name, "\n\r\t") {
			return nil, false
		}
		o = o.Name(name)
		switch v := info[name].(type) {
		case string:
			if !clean.Printable(v, "\n\r\t") {
				return nil, false
			}
			o = AppendText(o, v)
		case bool:
			o = strconv.AppendBool(o, v)
		case int:
			o = strconv.AppendInt(o, int64(v), 10)
		default:
			return nil, false
		}
	}
	o = append(o, '}')
	return o, len(o) <= MaxInfo
}

// encodeInfo encodes what others have made, panics of theirs included, and reads it again:
// only then is it known what a method of an embedder's type had to say.
func encodeInfo(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New(clean.Panic(p))
		}
	}()
	var out infoBuffer
	if err := json.MarshalWrite(&out, v, infoOptions); err != nil {
		if errors.Is(err, errInfoLarge) || errors.Is(err, jsontext.ErrDuplicateName) {
			return nil, err
		}
		// What can be encoded if only its texts do not matter has bad ones.
		if lenient := json.MarshalWrite(&infoBuffer{}, v, infoOptions, jsontext.AllowInvalidUTF8(true)); lenient == nil {
			return nil, errInfoText
		}
		return nil, err
	}
	return out.b, lookAtInfo(out.b)
}

// lookAtInfo looks at every text of encoded caller info.
func lookAtInfo(b []byte) error {
	for dec := jsontext.NewDecoder(bytes.NewReader(b)); ; {
		switch token, err := dec.ReadToken(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case token.Kind() == '"' && !clean.Printable(token.String(), "\n\r\t"):
			return errInfoText
		case dec.StackDepth() > maxInfoDepth:
			return errInfoDeep
		}
	}
}

// infoBuffer takes as many bytes as caller info may have, so that nobody waits for the
// rest of what has no end.
type infoBuffer struct{ b []byte }

func (o *infoBuffer) Write(p []byte) (int, error) {
	if len(o.b)+len(p) > MaxInfo {
		return 0, errInfoLarge
	}
	o.b = append(o.b, p...)
	return len(p), nil
}
