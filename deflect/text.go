package deflect

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
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
	t *template.Template
}

// textFields is what a template sees.
type textFields struct {
	FirstName, LastName string
	Skill, Profile      string
	Info                map[string]string
}

const maxRenderedBytes = 16 << 10

// ParseText reads a template. It is executed once, without a call, so that a field
// that does not exist shows here and not when a caller waits.
func ParseText(s string) (*TextTemplate, error) {
	t, err := template.New("text").Option("missingkey=zero").Parse(s)
	if err != nil {
		return nil, templateError(err)
	}
	tt := &TextTemplate{t: t}
	if _, err := tt.Render(Call{}); err != nil {
		return nil, err
	}
	return tt, nil
}

// Render returns the text for a call, without space around it.
func (tt *TextTemplate) Render(call Call) (string, error) {
	fields := textFields{FirstName: call.FirstName, LastName: call.LastName, Skill: call.Skill, Info: map[string]string{}}
	if call.Policy != nil {
		fields.Profile = call.Policy.name
	}
	for k, v := range call.CallerInfo {
		if v != nil {
			fields.Info[k] = fmt.Sprint(v)
		}
	}
	out := limitedBuilder{left: maxRenderedBytes}
	if err := tt.t.Execute(&out, fields); err != nil {
		return "", templateError(err)
	}
	return strings.TrimSpace(out.b.String()), nil
}

var unknownField = regexp.MustCompile(`^(.*): executing "text" at <.*>: can't evaluate field (\w+) in type .*textFields$`)

// templateError says what text/template says in the words of whoever wrote the text.
func templateError(err error) error {
	if errors.Is(err, errLongText) {
		return errLongText
	}
	said := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), "text:")
	if m := unknownField.FindStringSubmatch(said); m != nil {
		said = m[1] + ": there is no field " + m[2] + "; fields are FirstName, LastName, Skill, Profile and Info"
	}
	return errors.New("is not a template: " + said)
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
