package deflect_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// go doc shows of a type its own comment and no others, so that is where the meanings
// of outcomes and reasons are.
func TestDocHasEveryMeaning(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "reason.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := doc.NewFromFiles(fset, []*ast.File{file}, "github.com/ivrdeflect/ivrdeflect/deflect")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, typ := range pkg.Types {
		shown[typ.Name] = string(pkg.Text(typ.Doc))
	}
	meaning := func(typ, item string) string {
		m := regexp.MustCompile(`(?m)^ *- ` + regexp.QuoteMeta(item) + `: (.{3,})$`).FindStringSubmatch(shown[typ])
		if m == nil {
			return ""
		}
		return m[1]
	}
	outcomes := map[deflect.Reason][]string{}
	for _, o := range deflect.Outcomes() {
		if meaning("Outcome", string(o)) == "" {
			t.Errorf("go doc Outcome does not say what %s means", o)
		}
		for _, r := range deflect.Reasons(o) {
			outcomes[r] = append(outcomes[r], string(o))
		}
	}
	for r, of := range outcomes {
		if item := string(r) + " (" + strings.Join(of, ", ") + ")"; meaning("Reason", item) == "" {
			t.Errorf("go doc Reason does not say what %s means", item)
		}
	}
	// And no others.
	for _, m := range regexp.MustCompile(`(?m)^ *- (\w+)`).FindAllStringSubmatch(shown["Reason"], -1) {
		if outcomes[deflect.Reason(m[1])] == nil {
			t.Errorf("go doc Reason has %s, and there are %v", m[1], slices.Sorted(maps.Keys(outcomes)))
		}
	}
}
