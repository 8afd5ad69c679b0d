// Package pages has the tests of what people read: every *.md file of the repository. It
// stands here because the top level holds no Go file, and below cmd everything may be
// imported that a page shows: a configuration is loaded, and not only looked at.
package pages

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// root is the repository.
func root() fs.FS { return os.DirFS("../../..") }

// page is one of the files.
type page struct {
	name   string // from the root, with slashes
	prose  []string
	blocks []block
	faults []string // what hinders reading the rest
}

// block is what stands between two fences, without their indentation.
type block struct {
	line     int // of its first fence
	language string
	text     string
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// read takes a page apart. Its prose has a line for each line of the page, empty ones for
// the blocks.
func read(files fs.FS, name string) (page, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return page{}, err
	}
	p := page{name: name}
	var in *block
	indent := ""
	for i, line := range strings.Split(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n") {
		m := fence.FindStringSubmatch(line)
		words := ""
		switch {
		case in == nil && m != nil:
			in, indent = &block{line: i + 1, language: m[2]}, m[1]
		case m != nil && m[2] == "":
			p.blocks = append(p.blocks, *in)
			in = nil
		case in != nil:
			in.text += strings.TrimPrefix(line, indent) + "\n"
		default:
			words = line
			if strings.Count(line, "`")%2 != 0 {
				p.faults = append(p.faults, fmt.Sprintf("%d: code that does not end on its line, so that nobody checks it", i+1))
			}
		}
		p.prose = append(p.prose, words)
	}
	if in != nil {
		p.faults = append(p.faults, fmt.Sprintf("%d: a block without an end", in.line))
	}
	return p, nil
}

// all are the pages, and what hinders reading them.
func all(files fs.FS) (pages []page, faults []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		p, err := read(files, name)
		for _, f := range p.faults {
			faults = append(faults, name+":"+f)
		}
		pages = append(pages, p)
		return err
	})
	return pages, faults, err
}

// repository returns the pages of the repository.
func repository(t *testing.T) []page {
	t.Helper()
	pages, _, err := all(root())
	if err != nil || len(pages) < 2 {
		t.Fatalf("found %d pages, error %v", len(pages), err)
	}
	return pages
}

func TestPagesCanBeTakenApart(t *testing.T) {
	_, faults, err := all(root())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// The rest belongs to one reader, on a page beside what it describes.
func TestReadmeIsTwoScreens(t *testing.T) {
	raw, err := fs.ReadFile(root(), "README.md")
	if err != nil {
		t.Fatal(err)
	}
	screens, _, _ := strings.Cut(string(raw), "\n## Changes\n")
	if lines := strings.Count(screens, "\n"); lines > 140 {
		t.Errorf("README.md has %d lines before its changes, want 140 at most", lines)
	}
}

func TestPageIsTakenApart(t *testing.T) {
	files := fstest.MapFS{
		".git/x.md": {Data: []byte("`\n")},
		"a/b.md":    {Data: []byte("one `two`\n  ```sh\n  ls\n    -l\n  ```\n```go\n")},
		"c.md":      {Data: []byte("`three\nfour`\n")},
	}
	pages, faults, err := all(files)
	if err != nil || len(pages) != 2 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	if b := pages[0].blocks; len(b) != 1 || b[0] != (block{2, "sh", "ls\n  -l\n"}) {
		t.Errorf("blocks %+v", b)
	}
	if got := strings.Join(pages[0].prose, "|"); got != "one `two`||||||" {
		t.Errorf("prose %q", got)
	}
	want := "a/b.md:6: a block without an end\n" +
		"c.md:1: code that does not end on its line, so that nobody checks it\n" +
		"c.md:2: code that does not end on its line, so that nobody checks it"
	if got := strings.Join(faults, "\n"); got != want {
		t.Errorf("faults\n%s\nwant\n%s", got, want)
	}
}
