package double

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Field is a string in the body of a request, and where it goes.
type Field[T any] struct {
	Name     string
	Required bool
	Value    func(*T) *string
}

// Required is a Field that must be there and not be empty.
func Required[T any](name string, value func(*T) *string) Field[T] {
	return Field[T]{name, true, value}
}

// Optional is a Field that may be absent or empty.
func Optional[T any](name string, value func(*T) *string) Field[T] {
	return Field[T]{name, false, value}
}

// Object reads a body that is a JSON object, each key once.
func Object(a *Arrival) (members map[string]json.RawMessage, problems []string) {
	switch {
	case a.BodyErr != nil:
		return nil, []string{"the body could not be read"}
	case len(a.Body) > MaxBody:
		return nil, []string{fmt.Sprintf("the body is larger than %d bytes", MaxBody)}
	case !utf8.Valid(a.Body):
		return nil, []string{"the body is not UTF-8"}
	case !json.Valid(a.Body):
		return nil, []string{"the body is not JSON"}
	}
	if json.Unmarshal(a.Body, &members) != nil || members == nil {
		return nil, []string{"the body is not a JSON object"}
	}
	for _, name := range DuplicateKeys(a.Body) {
		problems = append(problems, fmt.Sprintf("key %s comes twice", Quote(name)))
	}
	return members, problems
}

// DecodeStrings reads the fields of a body that are strings, and gives the
// members that are none of them.
func DecodeStrings[T any](a *Arrival, fields []Field[T], to *T) (rest map[string]json.RawMessage, problems []string) {
	rest, problems = Object(a)
	return rest, append(problems, TakeStrings(rest, fields, to)...)
}

// TakeStrings takes the fields that are strings from the members of an object.
func TakeStrings[T any](members map[string]json.RawMessage, fields []Field[T], to *T) (problems []string) {
	for _, f := range fields {
		if raw, ok := members[f.Name]; ok && raw[0] == '"' {
			*f.Value(to) = stringValue(raw)
		} else if ok {
			problems = append(problems, f.Name+" must be a string")
		}
		delete(members, f.Name)
	}
	return problems
}

// Unknown complains of members that are no fields.
func Unknown(rest map[string]json.RawMessage) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		problems = append(problems, fmt.Sprintf("unknown field %s", Quote(name)))
	}
	return problems
}

// Missing finds the required fields that are absent or empty.
func Missing[T any](fields []Field[T], in *T) (problems []string) {
	for _, f := range fields {
		if f.Required && *f.Value(in) == "" {
			problems = append(problems, f.Name+" is required")
		}
	}
	return problems
}

// DuplicateKeys finds keys that come twice in one object, at any depth, in
// valid JSON. Readers disagree on which of the two counts, so a client must not
// send them.
func DuplicateKeys(valid []byte) (names []string) {
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
