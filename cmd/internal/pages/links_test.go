package pages

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	link     = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading  = regexp.MustCompile(`^#{1,6} +(.*?) *$`)
	// importPath is one of ours, as code.
	importPath = regexp.MustCompile("`github\\.com/ivrdeflect/ivrdeflect/([^`\\s]+)`")
)

// Links lead to what is there, and every page can be reached from README.md.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, dead := range deadLinks(root(), repository(t)) {
		t.Error(dead)
	}
}

// deadLinks are the links that lead nowhere, and the pages that no link leads to.
func deadLinks(files fs.FS, pages []page) (dead []string) {
	byName := map[string]page{}
	for _, p := range pages {
		byName[p.name] = p
	}
	leads := map[string][]string{} // from a page to others
	for _, p := range pages {
		for i, line := range p.prose {
			for _, m := range importPath.FindAllStringSubmatch(line, -1) {
				if d, err := fs.Stat(files, m[1]); err != nil || !d.IsDir() {
					dead = append(dead, fmt.Sprintf("%s:%d: %s is no package", p.name, i+1, m[0]))
				}
			}
			for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				to, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(to, "://") {
					continue // somebody else's, and a test reaches no network
				}
				name := p.name
				if to != "" {
					name = path.Join(path.Dir(p.name), to)
				}
				leads[p.name] = append(leads[p.name], name)
				at := fmt.Sprintf("%s:%d: %s: ", p.name, i+1, m[1])
				target, isPage := byName[name]
				if _, err := fs.Stat(files, name); err != nil || strings.HasPrefix(to, "/") {
					dead = append(dead, at+"is not there")
				} else if anchor != "" && (!isPage || !anchors(target)[anchor]) {
					dead = append(dead, at+"has no such heading")
				}
			}
		}
	}
	reached := map[string]bool{}
	var walk func(name string)
	walk = func(name string) {
		if !reached[name] {
			reached[name] = true
			for _, next := range leads[name] {
				walk(next)
			}
		}
	}
	walk("README.md")
	for _, p := range pages {
		if !reached[p.name] {
			dead = append(dead, p.name+": no link leads here from README.md")
		}
	}
	return dead
}

// anchors are what a # can name on a page, by the rules of GitHub.
func anchors(p page) map[string]bool {
	all := map[string]bool{}
	for _, line := range p.prose {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		for n, base := 1, slug; all[slug]; n++ {
			slug = fmt.Sprintf("%s-%d", base, n)
		}
		all[slug] = true
	}
	return all
}

func TestDeadLinksAreFound(t *testing.T) {
	files := fstest.MapFS{
		"README.md": {Data: []byte("[a](a/x.md#who-is-it-2) [b](a/x.md#who-is-it-3) [f](a/f.go) [dir](a)\n[web](https://example.net/x#y) `[code](none)`" +
			" `github.com/ivrdeflect/ivrdeflect/a` `github.com/ivrdeflect/ivrdeflect/b`\n" +
			"[gone](b.md) [abs](/a/f.go)\n[up](../README.md)\n![img](a/f.go#L1) [self](#one) [no](#two)\n# One\n")},
		"a/x.md":    {Data: []byte("# `Who` is it?\n## Who is it\n### Who is it!\n[up](../README.md#one)\n")},
		"a/f.go":    {},
		"a/lost.md": {Data: []byte("[up](../README.md)\n")},
	}
	pages, _, err := all(files)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md:1: a/x.md#who-is-it-3: has no such heading",
		"README.md:2: `github.com/ivrdeflect/ivrdeflect/b` is no package",
		"README.md:3: b.md: is not there",
		"README.md:3: /a/f.go: is not there",
		"README.md:4: ../README.md: is not there",
		"README.md:5: a/f.go#L1: has no such heading",
		"README.md:5: #two: has no such heading",
		"a/lost.md: no link leads here from README.md",
	}
	if diff := cmp.Diff(want, deadLinks(files, pages)); diff != "" {
		t.Errorf("dead links (-want +got):\n%s", diff)
	}
}
