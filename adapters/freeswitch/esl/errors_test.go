package esl

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestKindsIsComplete compares Kinds with the constants and with the package
// comment.
func TestKindsIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []Kind
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Kind" {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, Kind(s))
		}
		return true
	})
	if got := Kinds(); !slices.Equal(got, declared) {
		t.Errorf("Kinds are %q, declared are %q", got, declared)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range declared {
		if slices.Index(declared, k) != i {
			t.Errorf("%s is there twice", k)
		}
		if !strings.Contains(string(doc), "//\t"+string(k)+" ") {
			t.Errorf("the package comment does not explain %s", k)
		}
	}
}

func TestProtocolErrorTellsItsKind(t *testing.T) {
	tests := map[string]struct {
		err  *ProtocolError
		want string
	}{
		"kind":   {&ProtocolError{Kind: KindIdle}, "esl: idle"},
		"detail": {fault(KindReply, "no Reply-Text"), "esl: reply: no Reply-Text"},
		"cause":  {&ProtocolError{Kind: KindWrite, Err: io.EOF}, "esl: write: EOF"},
		"cleaned": {fault(KindContentType, clean([]byte("te\x00xt/1;\n"+strings.Repeat("x", 99)))),
			`esl: content_type: "te?xt/#??` + strings.Repeat("x", 31) + `"`},
	}
	for name, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if !errors.Is(tt.err, tt.err.Err) && tt.err.Err != nil {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}
