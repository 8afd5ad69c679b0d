package deflect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

// scope is where in a template a node stands.
type scope struct {
	value bool // the dot is a value of a with or a range, not the call
	loop  bool
}

// wide is a format that makes a lot of text out of nothing.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|\*)`)

var textFunctions = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "index", "len", "print", "printf", "slice"}

func checkList(list *parse.ListNode, in scope) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := checkNode(n, in); err != nil {
			return err
		}
	}
	return nil
}

// checkNode refuses what could fail, or go on and on, when a caller waits.
func checkNode(n parse.Node, in scope) error {
	switch n := n.(type) {
	case *parse.ActionNode:
		return checkPipe(n.Pipe, in)
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, in, in)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, in, scope{value: true, loop: in.loop})
	case *parse.RangeNode:
		if in.loop {
			return fmt.Errorf("has a loop in a loop: %s", n.Pipe)
		}
		if cmds := n.Pipe.Cmds; len(cmds) != 1 || len(cmds[0].Args) != 1 || fieldOf(cmds[0].Args[0]) != "Info" {
			return fmt.Errorf("has a loop over something else than .Info: %s", n.Pipe)
		}
		return checkBranch(&n.BranchNode, in, scope{value: true, loop: true})
	case *parse.TemplateNode:
		return fmt.Errorf("names another template: %s", n)
	}
	return nil
}

func checkBranch(b *parse.BranchNode, in, inside scope) error {
	if err := checkPipe(b.Pipe, in); err != nil {
		return err
	}
	if err := checkList(b.List, inside); err != nil {
		return err
	}
	return checkList(b.ElseList, in)
}

func checkPipe(p *parse.PipeNode, in scope) error {
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			if err := checkArg(arg, in); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkArg(n parse.Node, in scope) error {
	switch n := n.(type) {
	case *parse.PipeNode:
		return checkPipe(n, in)
	case *parse.StringNode:
		if wide.MatchString(n.Text) {
			return fmt.Errorf("pads to more than 999 characters: %s", n)
		}
	case *parse.ChainNode:
		return fmt.Errorf("asks for a field of something else than the call: %s", n)
	case *parse.IdentifierNode:
		if !slices.Contains(textFunctions, n.Ident) {
			return fmt.Errorf("uses %s, which texts cannot; functions are %s", n.Ident, strings.Join(textFunctions, ", "))
		}
	case *parse.FieldNode:
		if in.value {
			return fmt.Errorf("has %s inside of with or range: write $%s", n, n)
		}
		return checkField(n.Ident)
	case *parse.VariableNode:
		switch {
		case n.Ident[0] == "$" && len(n.Ident) > 1:
			return checkField(n.Ident[1:])
		case len(n.Ident) > 1:
			return fmt.Errorf("asks for a field of something else than the call: %s", n)
		}
	}
	return nil
}

func checkField(path []string) error {
	switch path[0] {
	case "FirstName", "LastName", "Skill", "Profile":
		if len(path) == 1 {
			return nil
		}
	case "Info":
		if len(path) <= 2 {
			return nil
		}
	}
	return fmt.Errorf("has no field .%s; fields are .FirstName, .LastName, .Skill, .Profile and .Info.NAME", strings.Join(path, "."))
}

// fieldOf names the field of the call that a node is, "" for anything else.
func fieldOf(n parse.Node) string {
	switch n := n.(type) {
	case *parse.FieldNode:
		return strings.Join(n.Ident, ".")
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return strings.Join(n.Ident[1:], ".")
		}
	}
	return ""
}
