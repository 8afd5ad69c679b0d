package freeswitch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tables that telephony engineers read are those of the rows: each says exactly what
// its variable means, and none is missing.
func TestDocumentationHasEveryVariable(t *testing.T) {
	text, err := os.ReadFile("../../dialplan/README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := []string{"| variable | meaning |", "|---|---|"}
	told := []string{"| variable | value |", "|---|---|"}
	for _, v := range variables {
		name := v.name
		if strings.HasSuffix(name, "_") {
			name += "<key>"
		}
		if v.said != "" {
			said = append(said, "| `"+name+"` | "+v.said+" |")
		}
		if v.told != "" {
			told = append(told, "| `"+name+"` | "+v.told+" |")
		}
		if v.note == "" == (v.said+v.told == "") {
			t.Errorf("%s has no meaning, or is in a table and has a note besides", v.name)
		}
		if strings.HasPrefix(name, "deflect_") && !strings.Contains(string(text), name) {
			t.Errorf("dialplan/README.md does not speak of %s", name)
		}
	}
	for heading, want := range map[string][]string{"## What the dialplan can say": said, "## What comes back": told} {
		_, section, _ := strings.Cut(string(text), heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		var got []string
		for line := range strings.Lines(section) {
			if strings.HasPrefix(line, "|") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q in dialplan/README.md: the table of the rows is\n%s\n%s", heading, strings.Join(want, "\n"), d)
		}
	}
}

// Who wants to know what a channel can make us do, or what we leave on it, has to read
// one list: no other file spells the name of a variable out.
func TestVariablesAreSpelledOutOnce(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range variables {
		if seen[v.name] {
			t.Errorf("%s is there twice", v.name)
		}
		seen[v.name] = true
	}
	ours := regexp.MustCompile("^[`\"](\\W*deflect_[a-z_]*=|deflect_[a-z_]*[`\"]|variable_)")
	for _, name := range files {
		if name == "variables.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || strings.HasPrefix(lit.Value, `"deflect_freeswitch_`) { // a metric
				return true
			}
			if ours.MatchString(lit.Value) || seen[strings.Trim(lit.Value, `"`)] && strings.Contains(lit.Value, "_") {
				t.Errorf("%s: %s is a channel variable: it belongs into variables.go", fset.Position(lit.Pos()), lit.Value)
			}
			return true
		})
	}
}

// What is set is what the rows say that the dialplan is told, and all of it.
func TestDialplanIsToldTheVariablesOfTheRows(t *testing.T) {
	e := ending{confirmed: "true", heard: "true"}
	e.Outcome, e.Reason, e.CallID = "sent", "ok", "abc-1"
	got := map[string]bool{}
	for _, a := range outVariables(e, "42", false) {
		got[a.name] = true
	}
	want := map[string]bool{}
	for _, v := range variables {
		if v.told != "" {
			want[v.name] = true
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
