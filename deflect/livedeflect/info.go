package livedeflect

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

const (
	maxInfoBytes = 16 << 10
	maxInfoDepth = 32
)

var (
	errInfoLarge = errors.New("is too large")
	errInfoText  = errors.New("holds invalid UTF-8 or control characters")
	errInfoDeep  = errors.New("is nested too deeply")
)

// readInfo encodes the caller info, as it is sent. Texts in it may hold line breaks and tabs.
func readInfo(info map[string]any) ([]byte, *deflect.ValidationError) {
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
		return bad(deflect.CodeTooLong, "is more than %d bytes as JSON", maxInfoBytes)
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
	if len(o.b)+len(p) > maxInfoBytes {
		return 0, errInfoLarge
	}
	o.b = append(o.b, p...)
	return len(p), nil
}
