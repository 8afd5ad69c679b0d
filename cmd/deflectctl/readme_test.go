package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// mention is a command in a page, in a block or in the prose. A page's commands are run by
// .ci/readme; those that it leaves out, and what is only spoken of, are there at least.
var mention = regexp.MustCompile("(?m)(?:^ *|`|<\\()(?:\\./)?deflectctl ([^`\n]*)")

func TestReadmesMentionWhatIsThere(t *testing.T) {
	root := kong.Must(&commands{}, vars()).Model.Node
	told := 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range mention.FindAllStringSubmatch(string(raw), -1) {
			told++
			if unknown := unknownWord(root, m[1]); unknown != "" {
				t.Errorf("%s: deflectctl %s: there is no %s", name, m[1], unknown)
			}
		}
		return nil
	})
	if err != nil || told < 20 {
		t.Fatalf("found %d commands, error %v", told, err)
	}
}

// unknownWord returns the first command or flag of a line that does not exist.
func unknownWord(node *kong.Node, line string) string {
	line, _, _ = strings.Cut(line, " #")
	for i, word := range strings.Fields(line) {
		if strings.HasPrefix(word, "--") {
			if name, _, _ := strings.Cut(word, "="); flagOf(node, name) == nil && name != "--help" {
				return name
			}
		} else if child := childOf(node, word); child != nil {
			node = child
		} else if i == 0 {
			return word
		}
	}
	return ""
}

func TestUnknownWordsAreFound(t *testing.T) {
	root := kong.Must(&commands{}, vars()).Model.Node
	for line, want := range map[string]string{
		"check FILE": "", "report --by=day --since 7d": "", "simulate freeswitch --calls 3 --help": "", "help COMMAND": "",
		"chek FILE": "chek", "report --bye day": "--bye", "simulate freeswitch --fault x": "--fault",
	} {
		if got := unknownWord(root, line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Each command has a section of its README, or is in the one of its kind.
func TestReadmeHasEveryCommand(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range kong.Must(&commands{}, vars()).Model.Leaves(true) {
		name := strings.TrimPrefix(leaf.Path(), "deflectctl ")
		if !strings.Contains(string(raw), "./deflectctl "+name) {
			t.Errorf("README.md shows no ./deflectctl %s", name)
		}
	}
}
