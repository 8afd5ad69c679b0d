package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// The scripts ask deflectctl itself what fits: see completeCmd.
var (
	//go:embed completion.bash
	completionBash string
	//go:embed completion.zsh
	completionZsh string
	//go:embed completion.fish
	completionFish string
)

// shell is one that completes with a script of ours.
type shell struct {
	name, script string
	use, in      string // the line that loads the script, and where that stands
}

var shells = []shell{
	{"bash", completionBash, "source <(deflectctl completion bash)", "~/.bashrc"},
	{"zsh", completionZsh, "source <(deflectctl completion zsh)", "~/.zshrc, after compinit"},
	{"fish", completionFish, "deflectctl completion fish | source", "~/.config/fish/config.fish"},
}

type completionCmd struct {
	Shell string `arg:"" enum:"${shells}" help:"${shells_listed}."`
}

// Help is shown below the usage.
func (completionCmd) Help() string {
	var uses strings.Builder
	for _, s := range shells {
		fmt.Fprintf(&uses, "\n  %-42s in %s", s.use, s.in)
	}
	return "Prints a script that completes commands, flags, their values and the names of configurations.\n" + uses.String()
}

// Run prints a script.
func (c *completionCmd) Run(a *app) error {
	i := slices.IndexFunc(shells, func(s shell) bool { return s.name == c.Shell })
	_, err := fmt.Fprint(a.stdout, shells[i].script)
	return err
}

// completeCmd is what the scripts call: it prints what could stand in the place of the
// last word, one a line. What is not that word's own stays away: "--by=" of "--by=d".
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// completeFiles stands for the names of files, which shells know better.
const completeFiles = ":files"

// Run prints what fits.
func (c *completeCmd) Run(a *app, parsed *kong.Context) error {
	for _, s := range complete(parsed.Model.Node, c.Words) {
		if _, err := fmt.Fprintln(a.stdout, s); err != nil {
			return err
		}
	}
	return nil
}

// complete returns what could stand in the place of the last word.
func complete(node *kong.Node, words []string) []string {
	words = wholeWords(words)
	last := words[len(words)-1]
	top, args, used := node, 0, map[string]bool{}
	var open *kong.Flag // its value comes next
	for _, w := range words[:len(words)-1] {
		name, _, valued := strings.Cut(w, "=")
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(w, "-"):
			if f := flagOf(node, name); f != nil {
				used[f.Name] = !f.IsCumulative()
				if !valued && !f.IsBool() {
					open = f
				}
			}
		case node == top && w == "help": // the words of a command follow
		default:
			if child := childOf(node, w); child != nil {
				node = child
			} else {
				args++
			}
		}
	}

	name, value, valued := strings.Cut(last, "=")
	var fit []string
	switch {
	case open != nil:
		fit, value = valuesOf(open.Value), last
	case strings.HasPrefix(last, "-") && valued:
		if f := flagOf(node, name); f != nil {
			fit = valuesOf(f.Value)
		}
	case strings.HasPrefix(last, "-"):
		value = last
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				if !used[f.Name] {
					used[f.Name] = true // --help is one of every command
					fit = append(fit, "--"+f.Name)
				}
			}
		}
	default:
		value = last
		for _, child := range node.Children {
			if !child.Hidden {
				fit = append(fit, child.Name)
			}
		}
		if args < len(node.Positional) {
			fit = append(fit, valuesOf(node.Positional[args])...)
		}
	}
	return slices.DeleteFunc(fit, func(s string) bool { return s != completeFiles && !strings.HasPrefix(s, value) })
}

// wholeWords joins what bash takes apart: --by = day.
func wholeWords(words []string) []string {
	whole := []string{}
	for i, w := range words {
		joins := i > 0 && (w == "=" || words[i-1] == "=") && strings.HasPrefix(whole[len(whole)-1], "--")
		if joins && (w != "=" || !strings.Contains(whole[len(whole)-1], "=")) {
			whole[len(whole)-1] += w
			continue
		}
		whole = append(whole, w)
	}
	if len(whole) == 0 {
		return []string{""}
	}
	return whole
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func valuesOf(v *kong.Value) []string {
	switch {
	case v.Enum != "":
		return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" }) // as without the flag
	case v.Tag.PlaceHolder == "FILE", v.Tag.PlaceHolder == "DIR":
		return []string{completeFiles}
	}
	return nil
}
