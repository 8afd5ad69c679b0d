package deflect

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

// TextTemplate is a text to send in the syntax of text/template. It is safe for
// concurrent use. The fields are
//
//	{{.FirstName}} {{.LastName}}   of the call, empty when not known
//	{{.Skill}} {{.Profile}}        who serves the call
//	{{.Info.plan}}                 an entry of the caller info, empty without it
//
// and no others: numbers, digits and ids stay out of texts. A text without {{ is
// sent as it is.
type TextTemplate struct {
	t     *template.Template
	plain string // the text, when it is none
}

// textFields is what a template sees.
type textFields struct {
	FirstName, LastName string
	Skill, Profile      string
	Info                map[string]string
}

const (
	maxRenderedBytes = 16 << 10
	maxInfoText      = 1024 // of one entry of the caller info, in bytes
)

// ParseText reads a template. It may hold the fields, if and with, the functions and,
// or, not, eq and ne, and index for names of the caller info that are no words
// ({{index .Info "order-id"}}); anything else is refused, so that nothing can fail, or
// take long, when a caller waits.
func ParseText(s string) (*TextTemplate, error) {
	if !strings.Contains(s, "{{") && len(s) <= maxRenderedBytes {
		return &TextTemplate{plain: strings.TrimSpace(s)}, nil
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
	tt := &TextTemplate{t: t}
	if _, err := tt.Render(Call{}); err != nil {
		return nil, err
	}
	return tt, nil
}

// Render returns the text for a call, without space around it.
func (tt *TextTemplate) Render(call Call) (string, error) {
	if tt.t == nil {
		return tt.plain, nil
	}
	fields := textFields{FirstName: call.FirstName, LastName: call.LastName, Skill: call.Skill, Info: map[string]string{}}
	if call.Policy != nil {
		fields.Profile = call.Policy.name
	}
	for k, v := range call.CallerInfo {
		fields.Info[k] = infoText(v)
	}
	out := limitedBuilder{left: maxRenderedBytes}
	if err := tt.t.Execute(&out, fields); err != nil {
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
