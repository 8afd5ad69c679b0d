package pages

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// checks are who looks at a block, by its language. What nobody looks at goes wrong one day,
// so a block in another language is refused.
var checks = map[string]func(*testing.T, fs.FS, []page, page, block) error{
	"sh":   runs,
	"yaml": loads,
	"xml":  wellFormed,
	"go":   compiles,
	"text": names,
	// What a command prints.
	"console": printed,
	"jq":      asked,
	"logql":   asked,
}

func TestEveryBlockIsChecked(t *testing.T) {
	pages := repository(t)
	for _, p := range pages {
		for _, b := range p.blocks {
			if err := check(t, root(), pages, p, b); err != nil {
				t.Errorf("%s:%d: %v in\n%s", p.name, b.line, err, b.text)
			}
		}
	}
}

func check(t *testing.T, files fs.FS, pages []page, p page, b block) error {
	t.Helper()
	by, ok := checks[b.language]
	if !ok {
		return fmt.Errorf("nobody checks a block of %q", b.language)
	}
	return by(t, files, pages, p, b)
}

// asked leaves it to a test of the daemon, which asks a log that it wrote.
func asked(_ *testing.T, _ fs.FS, _ []page, p page, _ block) error {
	if p.name != "cmd/deflectd/README.md" {
		return errors.New("only the questions of deflectd's README are asked")
	}
	return nil
}

// runs leaves it to .ci/readme, which runs the commands of every page, and refuses those
// that it does not know.
func runs(_ *testing.T, files fs.FS, _ []page, _ page, b block) error {
	script, err := fs.ReadFile(files, ".ci/readme")
	for line := range strings.Lines(b.text) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
		if command = strings.TrimSpace(command); err == nil && command != "" && command[0] != '#' && !slices.ContainsFunc([]string{
			"['" + command + "']=",
			`["` + strings.NewReplacer(`"`, `\"`, `$`, `\$`).Replace(command) + `"]=`,
		}, func(entry string) bool { return strings.Contains(string(script), entry) }) {
			err = fmt.Errorf(".ci/readme does not know the command %s", command)
		}
	}
	return err
}

// loads loads a configuration, which has nothing to remark: a whole one as it is, and a
// part of one in its place in the smallest one of all pages.
func loads(t *testing.T, _ fs.FS, pages []page, _ page, b block) error {
	t.Helper()
	text := b.text
	if !whole(b) {
		var smallest string
		for _, p := range pages {
			for _, other := range p.blocks {
				if whole(other) && hasSection(other, "livedeflect") && !hasSection(other, "c2m") && (smallest == "" || len(other.text) < len(smallest)) {
					smallest = other.text
				}
			}
		}
		var merged, part map[string]yaml.Node
		if err := errors.Join(yaml.Unmarshal([]byte(smallest), &merged), yaml.Unmarshal([]byte(text), &part)); err != nil {
			return err
		}
		if merged == nil {
			return errors.New("no page has a whole configuration")
		}
		for key, value := range part {
			merged[key] = value
		}
		out, err := yaml.Marshal(merged)
		if err != nil {
			return err
		}
		text = string(out)
	}
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`/run/secrets/([a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
			return err
		}
	}
	text = strings.ReplaceAll(text, "/run/secrets/", filepath.ToSlash(dir)+"/")
	f, err := config.Parse("page", []byte(text), func(string) string { return "" })
	if err == nil && len(f.Warnings) > 0 {
		err = fmt.Errorf("warnings %v", f.Warnings)
	}
	return err
}

func whole(b block) bool {
	return b.language == "yaml" && (hasSection(b, "livedeflect") || hasSection(b, "c2m")) && hasSection(b, "profiles")
}

func hasSection(b block, name string) bool { return strings.Contains("\n"+b.text, "\n"+name+":") }

func wellFormed(_ *testing.T, _ fs.FS, _ []page, _ page, b block) error {
	for d := xml.NewDecoder(strings.NewReader("<all>" + b.text + "</all>")); ; {
		if _, err := d.Token(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// compiles finds the lines in a file of Go that the page links to: the compiler and its
// tests look at that one. "// ..." in a block stands for what is left out.
func compiles(_ *testing.T, files fs.FS, _ []page, p page, b block) error {
	for _, line := range p.prose {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if path.Ext(m[1]) != ".go" {
				continue
			}
			raw, err := fs.ReadFile(files, path.Join(path.Dir(p.name), m[1]))
			if err != nil {
				return err
			}
			if holds(trimmed(string(raw)), b.text) {
				return nil
			}
		}
	}
	return errors.New("no file of Go that the page links to has these lines")
}

// printed finds the lines in a golden file that the page links to: a test compares what is
// printed with that one. "..." in a block stands for what is left out.
func printed(_ *testing.T, files fs.FS, _ []page, p page, b block) error {
	if strings.HasPrefix(b.text, "good     configuration") {
		return nil // of doctor, whose test compares it
	}
	for _, line := range p.prose {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if ext := path.Ext(m[1]); ext != ".txt" && ext != ".table" {
				continue
			}
			raw, err := fs.ReadFile(files, path.Join(path.Dir(p.name), m[1]))
			if err != nil {
				return err
			}
			if holds(trimmed(string(raw)), strings.ReplaceAll("\n"+b.text, "\n...\n", "\n// ...\n")) {
				return nil
			}
		}
	}
	return errors.New("no file of text that the page links to has these lines")
}

// holds finds the pieces of a block in a file, in their order.
func holds(file, text string) bool {
	for piece := range strings.SplitSeq(trimmed(text), "\n// ...\n") {
		_, rest, found := strings.Cut(file, "\n"+strings.Trim(piece, "\n")+"\n")
		if !found {
			return false
		}
		file = "\n" + rest
	}
	return true
}

// trimmed is a text without the indentation of its lines.
func trimmed(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// names wants a picture to speak of the program: TestNamesOfCodeExist looks whether it is true.
func names(_ *testing.T, _ fs.FS, _ []page, _ page, b block) error {
	if !qualified.MatchString(b.text) {
		return errors.New("a picture without a name of the code, which nobody can check")
	}
	return nil
}

func TestChecksRefuseWhatIsWrong(t *testing.T) {
	files := fstest.MapFS{
		".ci/readme": {Data: []byte("['ls -l']=''\n[\"echo \\\"\\$A\\\"\"]=''\n")},
		"a/main.go":  {Data: []byte("package main\n\nfunc main() {\n\tone()\n\ttwo()\n\tthree()\n}\n")},
		"a/out.txt":  {Data: []byte("one\n  two\nthree\n")},
	}
	smallest := block{language: "yaml", text: `livedeflect:
  site_id: "38856538"
  domain: va
  consumer_key: KEY
  consumer_secret_file: /run/secrets/consumer
  token: TOKEN
  token_secret_file: /run/secrets/token
profiles:
  - name: sales
    skill: sales
`}
	c2m := "c2m:\n  account: \"1\"\n  client_id: ID\n  client_secret_file: /run/secrets/client\n  handoff_id: H1\nprofiles:\n  - {name: sales, skill: sales}\n"
	p := page{name: "a/README.md", prose: []string{"as in [main.go](main.go)", "and in [all](out.txt)"}, blocks: []block{smallest}}
	tests := []struct {
		language, text string
		want           string // of the error, "" for none
	}{
		{"sh", "ls -l   # long\n# nothing\n", ""},
		{"sh", "echo \"$A\"\n", ""},
		{"sh", "ls\n", ".ci/readme does not know the command ls"},
		{"yaml", smallest.text, ""},
		{"yaml", strings.Replace(smallest.text, "skill:", "skil:", 1), "skil"},
		{"yaml", "breaker: {failures: 7}\n", ""},
		{"yaml", "breaker: {failure: 7}\n", "failure"},
		{"yaml", "breaker: [\n", "yaml"},
		{"yaml", c2m, ""},
		{"yaml", strings.Replace(c2m, "account:", "acount:", 1), "acount"},
		{"yaml", strings.Replace(smallest.text, "profiles:", strings.Replace(c2m, "sales,", "all, api: c2m, dialed: [\"+18005550142\"],", 1), 1), ""},
		{"yaml", "profiles:\n  - {name: sales, skill: sales, text: \"a\", line_types: strict}\n", "warnings"},
		{"xml", "<a/><b>c</b>\n", ""},
		{"xml", "<a>\n", "XML"},
		{"go", "func main() {\n    one()\n", ""},
		{"go", "one()\n// ...\nthree()\n", ""},
		{"go", "one()\nthree()\n", "no file"},
		{"go", "three()\n// ...\none()\n", "no file"},
		{"go", "four()\n", "no file"},
		{"text", "key -> deflect.Client\n", ""},
		{"text", "key -> client\n", "a picture"},
		{"console", "one\n...\nthree\n", ""},
		{"console", "three\n...\none\n", "no file of text"},
		{"python", "pass\n", `nobody checks a block of "python"`},
		{"", "x\n", "nobody checks"},
	}
	for _, tt := range tests {
		err := check(t, files, []page{p}, p, block{language: tt.language, text: tt.text})
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s %q: %s, want %q", tt.language, tt.text, got, tt.want)
		}
	}
}
