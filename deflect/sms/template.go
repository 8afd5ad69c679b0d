package sms

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

// Template is a text to send in the syntax of text/template. It is safe for concurrent
// use; its zero value is the empty text. The fields are
//
//	{{.FirstName}} {{.LastName}}   of the call, empty when not known
//	{{.Skill}} {{.Profile}}        who serves the call
//	{{.Info.plan}}                 an entry of the caller info, empty without it
//
// and no others: numbers, digits and ids stay out of texts. A text without {{ is
// sent as it is.
type Template struct {
	t     *template.Template
	plain string // the text, when it is none
}

// Fields is what a text may say of a call. The zero value is that of a call of which
// nothing is known.
type Fields struct {
	FirstName, LastName string
	Skill, Profile      string
	// Info has any values. Texts show plain ones, up to 1024 bytes and on one line, and
	// leave out what is not plain.
	Info map[string]any
}

// fields is what a template sees.
type fields struct {
	FirstName, LastName string
	Skill, Profile      string
	Info                map[string]string
}

const (
	maxRenderedBytes = 16 << 10
	maxInfoText      = 1024 // of one entry of the caller info, in bytes
)

// ParseTemplate reads a template. It may hold the fields, if and with, the functions and,
// or, not, eq and ne, and index for names of the caller info that are no words
// ({{index .Info "order-id"}}); anything else is refused, so that nothing can fail, or
// take long, when a caller waits.
func ParseTemplate(s string) (*Template, error) {
	if !strings.Contains(s, "{{") && len(s) <= maxRenderedBytes {
		return &Template{plain: strings.TrimSpace(s)}, nil
	}
	t, err := template.New("text").Option("missingkey=zero").Parse(s)
	if err != nil {
		said := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), "text:")
		return nil, errors.New("is not a template: " + said)
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("defines a template in the template, which texts cannot have")
	}
	if t.Tree != nil {
		if err := checkList(t.Root, false); err != nil {
			return nil, err
		}
	}
	tt := &Template{t: t}
	if _, err := tt.Render(Fields{}); err != nil {
		return nil, err
	}
	return tt, nil
}

// Render returns the text for a call, without space around it. What would be longer than
// 16 KiB is an error; there is no other.
func (tt *Template) Render(of Fields) (string, error) {
	if tt.t == nil {
		return tt.plain, nil
	}
	seen := fields{of.FirstName, of.LastName, of.Skill, of.Profile, map[string]string{}}
	for k, v := range of.Info {
		seen.Info[k] = infoText(v)
	}
	out := limitedBuilder{left: maxRenderedBytes}
	if err := tt.t.Execute(&out, seen); err != nil {
		if errors.Is(err, errLongText) {
			return "", errLongText
		}
		// Without what text/template says: it quotes the call.
		return "", errors.New("cannot be made for this call")
	}
	return strings.TrimSpace(out.b.String()), nil
}

// infoText shows a plain value of the caller info as a person would write it, on one
// line; what is not plain is left out.
func infoText(v any) string {
	s := ""
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.String: // json.Number too
		s = v.String()
	case reflect.Bool:
		s = strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s = strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s = strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		s = strconv.FormatFloat(v.Float(), 'f', -1, 64)
	}
	if len(s) > maxInfoText {
		s = s[:maxInfoText]
	}
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), unicode.IsControl), " ")
}

var errLongText = fmt.Errorf("comes to more than %d bytes", maxRenderedBytes)

// limitedBuilder ends an execution whose output grows without end.
type limitedBuilder struct {
	b    strings.Builder
	left int
}

func (l *limitedBuilder) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errLongText
	}
	return l.b.Write(p)
}
