package deflect

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// classes are the sentinels that an error with a reason can match.
var classes = map[string]error{
	"ErrInvalidCall": ErrInvalidCall, "ErrIneligible": ErrIneligible, "ErrBreakerOpen": ErrBreakerOpen,
	"ErrUnauthorized": ErrUnauthorized, "ErrRateLimited": ErrRateLimited, "ErrRejected": ErrRejected,
	"ErrUnavailable": ErrUnavailable, "ErrBadResponse": ErrBadResponse, "ErrCanceled": ErrCanceled,
	"ErrJournal": ErrJournal, "ErrSwitch": ErrSwitch, "ErrInternal": ErrInternal, "ErrClosed": ErrClosed,
}

// otherErrors are those that stand for something else than a reason.
var otherErrors = []string{
	"ErrInvalidConfig", "ErrRestart", // of a ConfigError
	"ErrTooMany", "ErrTooEarly", // of a Settlement
}

// Every reason that an error can have matches one class, every class is that of some
// reason, and is in the documentation.
func TestEveryReasonHasAClass(t *testing.T) {
	reached := map[string]bool{}
	for _, outcome := range Outcomes() {
		for _, reason := range Reasons(outcome) {
			err := &Error{Outcome: outcome, Reason: reason}
			var matched []string
			for name, class := range classes {
				if errors.Is(err, class) {
					matched = append(matched, name)
					reached[name] = true
				}
			}
			want := 1
			switch outcome {
			case Sent, Declined, NoInput, Abandoned: // no errors
				want = 0
			}
			if len(matched) != want {
				t.Errorf("an error with %s, %s matches %v, want %d of the classes", outcome, reason, matched, want)
			}
			if got := ReasonOf(err); got != reason {
				t.Errorf("ReasonOf(%v) = %s", err, got)
			}
		}
	}
	for _, row := range reasons {
		if row.request && row.reason != ReasonOK && row.class == nil {
			t.Errorf("requests can end with %s, which has no class", row.reason)
		}
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for name := range classes {
		if !reached[name] {
			t.Errorf("no reason is %s", name)
		}
		if !strings.Contains(string(doc), name) {
			t.Errorf("doc.go does not tell of %s", name)
		}
	}
	known := append(slices.Collect(maps.Keys(classes)), otherErrors...)
	slices.Sort(known)
	if got := exportedErrors(t); !slices.Equal(got, known) {
		t.Errorf("the package has %v; this test knows %v", got, known)
	}
	if listed := constants(t, "reason.go", "Reason"); len(listed) == 0 {
		t.Error("reason.go has no reasons")
	} else {
		for _, r := range listed {
			if len(r.row().outcomes) == 0 {
				t.Errorf("reason %s has no outcome", r)
			}
		}
	}
}

// exportedErrors returns the names of the package's exported sentinels.
func exportedErrors(t *testing.T) (names []string) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		each(t, f.Name(), token.VAR, func(s *ast.ValueSpec) {
			for _, n := range s.Names {
				if strings.HasPrefix(n.Name, "Err") {
					names = append(names, n.Name)
				}
			}
		})
	}
	slices.Sort(names)
	return names
}

// constants returns the values of the string constants of a type.
func constants(t *testing.T, file, typ string) (values []Reason) {
	each(t, file, token.CONST, func(s *ast.ValueSpec) {
		if id, ok := s.Type.(*ast.Ident); ok && id.Name == typ {
			values = append(values, Reason(strings.Trim(s.Values[0].(*ast.BasicLit).Value, `"`)))
		}
	})
	return values
}

// each visits the declarations of a kind at the top of a file.
func each(t *testing.T, file string, kind token.Token, visit func(*ast.ValueSpec)) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == kind {
			for _, s := range g.Specs {
				visit(s.(*ast.ValueSpec))
			}
		}
	}
}
