package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// row is one key of the file, and all that is to be known about it: the value reads and
// prints it, the field leads what a library says back to it, the words document it.
type row struct {
	key   string
	field string // of the library's configuration that it sets, or several with a comma; "" for none
	value value
	words string // for the reference, in Markdown
}

// value reads and prints one value, bound to the variable that holds it.
type value struct {
	read    reader
	print   func() *yaml.Node // nil for nothing, a node without a kind for a comment
	form    string            // what may be written, for the reference
	without string            // what goes without the key, where that is no value
	restart restart
	above   string       // key that it is printed above, where that is not its place in the file
	refused bool         // known only to be refused
	rows    func() []row // of a section, or of the first item of a list; may be nil
}

// reader reads the value at a path.
type reader func(d *decoder, n *yaml.Node, at string)

// restart says what a running daemon does not go on with.
type restart string

const (
	onChange restart = "needs a restart"
	onSwitch restart = "switching it on or off needs a restart"
)

func (v value) needing(r restart) value { v.restart = r; return v }

// unless leaves the value out where it is none.
func (v value) unless(none func() bool) value {
	print := v.print
	v.print = func() *yaml.Node {
		if none() {
			return nil
		}
		return print()
	}
	return v
}

func (v value) printedAbove(key string) value { v.above = key; return v }

// walk calls visit for each key of a file, sections before what is in them.
func walk(rows []row, at string, visit func(path string, r row)) {
	for _, r := range rows {
		path := strings.TrimPrefix(at+"."+r.key, ".")
		visit(path, r)
		if r.value.rows != nil {
			walk(r.value.rows(), path, visit)
		}
	}
}

var keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// section is a mapping with the given keys and no others.
func section(rows ...row) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.MappingNode {
			d.bad(at, n.Line, "must hold keys: %s", keysOf(rows))
			return
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.Content[i], n.Content[i+1]
			if !d.spend(key) {
				return
			}
			if !keyForm.MatchString(key.Value) {
				d.bad(at, key.Line, "has a key that is not a word; its keys are: %s", keysOf(rows))
				continue
			}
			path := strings.TrimPrefix(at+"."+key.Value, ".")
			if first, ok := seen[key.Value]; ok {
				d.bad(path, key.Line, "is given twice, first in line %d: keep one", first)
				continue
			}
			seen[key.Value] = key.Line
			known := slices.IndexFunc(rows, func(r row) bool { return r.key == key.Value })
			if known < 0 {
				d.bad(path, key.Line, "is not a known key; known here: %s", keysOf(rows))
				continue
			}
			d.lines[path] = key.Line
			rows[known].value.read(d, v, path)
		}
	}
	print := func() *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		comment := "" // goes above the next key
		add := func(r row) {
			switch n := r.value.print(); {
			case n == nil:
			case n.Kind == 0:
				comment = n.HeadComment
			default:
				k := str(r.key)
				k.HeadComment, comment = comment, ""
				m.Content = append(m.Content, k, n)
			}
		}
		for _, r := range rows {
			for _, other := range rows {
				if other.value.above == r.key {
					add(other)
				}
			}
			if r.value.above == "" {
				add(r)
			}
		}
		if len(m.Content) == 0 {
			return nil
		}
		return m
	}
	return value{read: read, print: print, rows: func() []row { return rows }}
}

func keysOf(rows []row) string {
	keys := make([]string, 0, len(rows))
	for _, r := range rows {
		if !r.value.refused {
			keys = append(keys, r.key)
		}
	}
	return strings.Join(keys, ", ")
}

// list is a sequence; begin makes room for so many items, and item is one of them.
func list[T any](dst *[]T, begin func(n int), item func(i int) value) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.SequenceNode {
			d.bad(at, n.Line, "must be a list: [..., ...] or lines that begin with -")
			return
		}
		begin(len(n.Content))
		for i, c := range n.Content {
			if !d.spend(c) {
				return
			}
			path := fmt.Sprintf("%s[%d]", at, i)
			d.lines[path] = c.Line
			item(i).read(d, c, path)
		}
	}
	print := func() *yaml.Node {
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range *dst {
			if c := item(i).print(); c != nil {
				n.Content = append(n.Content, c)
				if c.Kind == yaml.ScalarNode {
					n.Style = yaml.FlowStyle
				}
			}
		}
		if len(n.Content) == 0 {
			return nil
		}
		return n
	}
	rows := func() []row {
		if len(*dst) == 0 || item(0).rows == nil {
			return nil
		}
		return item(0).rows()
	}
	return value{read: read, print: print, form: "list", rows: rows}
}

// entryForm is a key that the file may choose: a language, or days.
var entryForm = regexp.MustCompile(`^[A-Za-z0-9_,-]{1,64}$`)

// mapping is a mapping whose keys the file chooses.
func mapping[T any](dst *map[string]T, form string, entry func(*T) value) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.MappingNode {
			d.bad(at, n.Line, "must hold keys with values: KEY: VALUE")
			return
		}
		if len(n.Content) > 0 {
			*dst = map[string]T{}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.Content[i], n.Content[i+1]
			if !d.spend(key) {
				return
			}
			if !entryForm.MatchString(key.Value) {
				d.bad(at, key.Line, "has a key of characters other than letters, digits, comma, hyphen and underscore")
				continue
			}
			path := at + "." + key.Value
			if _, twice := (*dst)[key.Value]; twice {
				d.bad(path, key.Line, "is given twice, first in line %d: keep one", d.lines[path])
				continue
			}
			d.lines[path] = key.Line
			var t T
			entry(&t).read(d, v, path)
			(*dst)[key.Value] = t
		}
	}
	print := func() *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range sorted(*dst) {
			t := (*dst)[key]
			if n := entry(&t).print(); n != nil {
				m.Content = append(m.Content, str(key), n)
			}
		}
		if len(m.Content) == 0 {
			return nil
		}
		return m
	}
	rows := func() []row {
		var t T
		if v := entry(&t); v.rows != nil {
			return v.rows()
		}
		return nil
	}
	return value{read: read, print: print, form: form, rows: rows}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
