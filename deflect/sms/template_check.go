package sms

import (
	"fmt"
	"strings"
	"text/template/parse"
)

// What a template may hold is so little that it cannot fail, nor take long, when a
// caller waits: fields, which are all strings, and if and with over them.

// checkList checks what stands one after another. In a with, the dot is a string.
func checkList(list *parse.ListNode, inWith bool) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := checkNode(n, inWith); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(n parse.Node, inWith bool) error {
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		_, err := checkPipe(n.Pipe, inWith)
		return err
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, inWith, inWith)
	case *parse.WithNode:
		if text, err := checkPipe(n.Pipe, inWith); err == nil && !text {
			return fmt.Errorf("has a with over something else than a field: %s", n.Pipe)
		}
		return checkBranch(&n.BranchNode, inWith, true)
	}
	return fmt.Errorf("has %s: a text can hold fields, if and with, and no more", n)
}

func checkBranch(b *parse.BranchNode, inWith, inside bool) error {
	if _, err := checkPipe(b.Pipe, inWith); err != nil {
		return err
	}
	if err := checkList(b.List, inside); err != nil {
		return err
	}
	return checkList(b.ElseList, inWith)
}

// checkPipe checks one value, and reports whether it is a string, not a truth.
func checkPipe(p *parse.PipeNode, inWith bool) (text bool, err error) {
	if len(p.Decl) > 0 || len(p.Cmds) != 1 {
		return false, fmt.Errorf("has %s: a text cannot have variables and pipes", p)
	}
	args := p.Cmds[0].Args
	name, ok := args[0].(*parse.IdentifierNode)
	if !ok {
		if len(args) > 1 {
			return false, fmt.Errorf("has %s, which is no function", args[0])
		}
		return checkValue(args[0], inWith)
	}
	return checkFunction(name.Ident, args[1:], p, inWith)
}

func checkFunction(name string, args []parse.Node, p *parse.PipeNode, inWith bool) (text bool, err error) {
	fits := false
	switch name {
	case "and", "or":
		fits = len(args) > 0
	case "not":
		fits = len(args) == 1
	case "eq":
		fits = len(args) > 1
	case "ne":
		fits = len(args) == 2
	case "index":
		if len(args) == 2 && fieldOf(args[0]) == "Info" && args[1].Type() == parse.NodeString && !(inWith && args[0].Type() == parse.NodeField) {
			return true, nil
		}
		return false, fmt.Errorf("has %s: index is for .Info ($.Info inside of with) and a name in quotes", p)
	default:
		return false, fmt.Errorf("has the function %s; functions are and, or, not, eq, ne and index", name)
	}
	if !fits {
		return false, fmt.Errorf("has %s, with too few or too many values", p)
	}
	for _, arg := range args {
		text, err := checkValue(arg, inWith)
		if err != nil {
			return false, err
		}
		if !text && (name == "eq" || name == "ne") {
			return false, fmt.Errorf("compares %s, which is no text", arg)
		}
	}
	return false, nil
}

func checkValue(n parse.Node, inWith bool) (text bool, err error) {
	switch n := n.(type) {
	case *parse.PipeNode:
		return checkPipe(n, inWith)
	case *parse.StringNode:
		return true, nil
	case *parse.DotNode:
		if inWith {
			return true, nil
		}
	case *parse.FieldNode:
		if inWith {
			return false, fmt.Errorf("has %s inside of with: write $%s", n, n)
		}
		return true, checkField(fieldOf(n))
	case *parse.VariableNode:
		if field := fieldOf(n); field != "" {
			return true, checkField(field)
		}
	}
	return false, fmt.Errorf("has %s, which is no field", n)
}

func checkField(path string) error {
	switch name, more, _ := strings.Cut(path, "."); {
	case name == "Info" && more != "" && !strings.Contains(more, "."):
		return nil
	case path == "FirstName", path == "LastName", path == "Skill", path == "Profile":
		return nil
	}
	return fmt.Errorf("has no field .%s; fields are .FirstName, .LastName, .Skill, .Profile and .Info.NAME", path)
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
