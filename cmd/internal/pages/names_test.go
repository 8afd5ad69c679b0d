package pages

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var (
	// qualified is a name of a package, and perhaps of a method or field.
	qualified = regexp.MustCompile(`\b([a-z][a-z0-9]*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	// member is one without its package, as code in the prose.
	member = regexp.MustCompile("`([A-Z]\\w*)\\.([A-Z]\\w*)[^`]*`")
	// placed is a name with a link to the file that it is in.
	placed = regexp.MustCompile("\\[`(\\w+)`\\]\\(([^)\\s]+\\.go)\\)")
)

// Names of Go that the pages tell are those of the code.
func TestNamesOfCodeExist(t *testing.T) {
	code, err := exported(root())
	if err != nil {
		t.Fatal(err)
	}
	for _, unknown := range unknownNames(root(), code, repository(t)) {
		t.Error(unknown)
	}
}

// unknownNames are those that a page tells and no package of ours has. What has changed
// is told under "Changes" by its names of then.
func unknownNames(files fs.FS, code map[string]map[string]bool, pages []page) (unknown []string) {
	for _, p := range pages {
		tell := func(line int, text string) {
			for _, m := range qualified.FindAllStringSubmatch(text, -1) {
				if pkg := code[m[1]]; pkg != nil && (!pkg[m[2]] || m[3] != "" && !pkg[m[2]+"."+m[3]]) {
					unknown = append(unknown, fmt.Sprintf("%s:%d: there is no %s", p.name, line, m[0]))
				}
			}
		}
		for i, line := range p.prose {
			if line == "## Changes" {
				break
			}
			tell(i+1, line)
			for _, m := range placed.FindAllStringSubmatch(line, -1) {
				raw, err := fs.ReadFile(files, path.Join(path.Dir(p.name), m[2]))
				if err == nil && !regexp.MustCompile(`\b`+m[1]+`\b`).Match(raw) {
					unknown = append(unknown, fmt.Sprintf("%s:%d: there is no %s in %s", p.name, i+1, m[1], m[2]))
				}
			}
			for _, m := range member.FindAllStringSubmatch(line, -1) {
				name, found := m[1]+"."+m[2], false
				for _, pkg := range code {
					found = found || pkg[name]
				}
				if !found {
					unknown = append(unknown, fmt.Sprintf("%s:%d: there is no %s", p.name, i+1, name))
				}
			}
		}
		for _, b := range p.blocks {
			tell(b.line, b.text)
		}
	}
	return unknown
}

// exported are the names of each package of ours: Name, and Type.Member.
func exported(files fs.FS) (map[string]map[string]bool, error) {
	code := map[string]map[string]bool{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, raw, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if file.Name.Name != "main" {
			if code[file.Name.Name] == nil {
				code[file.Name.Name] = map[string]bool{}
			}
			collect(file, code[file.Name.Name])
		}
		return nil
	})
	return code, err
}

func collect(file *ast.File, into map[string]bool) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name := decl.Name.Name
			if decl.Recv != nil {
				of := decl.Recv.List[0].Type
				if star, ok := of.(*ast.StarExpr); ok {
					of = star.X
				}
				if generic, ok := of.(*ast.IndexExpr); ok {
					of = generic.X
				}
				name = fmt.Sprint(of) + "." + name
			}
			into[name] = true
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						into[name.Name] = true
					}
				case *ast.TypeSpec:
					into[spec.Name.Name] = true
					var members *ast.FieldList
					switch of := spec.Type.(type) {
					case *ast.StructType:
						members = of.Fields
					case *ast.InterfaceType:
						members = of.Methods
					default:
						continue
					}
					for _, m := range members.List {
						for _, name := range m.Names {
							into[spec.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
		}
	}
}

func TestUnknownNamesAreFound(t *testing.T) {
	files := fstest.MapFS{
		"a/a.go": {Data: []byte("package a\n\nconst C = 1\n\ntype T struct{ F int }\ntype I interface{ M() }\n\nfunc New() *T { return nil }\nfunc (*T) Do() {}\n")},
		"README.md": {Data: []byte("a.C a.T a.T.F a.I.M a.New a.T.Do `T.Do(x)` b.X Other.X `.FirstName`\n" +
			"a.D a.T.G `T.Gone` `I.M` [`Do`](a/a.go) [`Dont`](a/a.go)\n```text\na.X\n```\n## Changes\na.Old `T.Old`\n")},
	}
	code, err := exported(files)
	if err != nil {
		t.Fatal(err)
	}
	pages, _, err := all(files)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md:2: there is no a.D",
		"README.md:2: there is no a.T.G",
		"README.md:2: there is no Dont in a/a.go",
		"README.md:2: there is no T.Gone",
		"README.md:3: there is no a.X",
	}
	if diff := cmp.Diff(want, unknownNames(files, code, pages)); diff != "" {
		t.Errorf("unknown names (-want +got):\n%s", diff)
	}
}
