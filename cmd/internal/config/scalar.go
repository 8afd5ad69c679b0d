package config

import (
	"cmp"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
)

// scalar returns the text of a value with one of the tags.
func scalar(n *yaml.Node, tags ...string) (string, bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		return "", false
	}
	return n.Value, true
}

// cutOff says which comments behind a value may be a part of it that YAML cut off.
type cutOff int

const (
	cutNever cutOff = iota // the value cannot hold a #
	cutGlued               // those without a blank behind the #
	cutAny                 // all of them: behind the words that callers read
)

// text is a text that may be empty, and is then not printed.
func text(dst *string) value { return textWith(cutNever, dst) }

// words is a text that can hold a #.
func words(dst *string) value { return textWith(cutGlued, dst) }

func textWith(c cutOff, dst *string) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, "!!str")
		switch {
		case ok:
			*dst = s
			d.doubt(n, at, s, c)
		case resolve(n).Kind == yaml.ScalarNode && resolve(n).ShortTag() != "!!null":
			d.bad(at, n.Line, "must be text: put it in quotes")
		case resolve(n).Style&yaml.FlowStyle != 0: // {{.FirstName}} is a mapping to YAML
			d.bad(at, n.Line, `must be text: put it in quotes, as it begins with { or [; write "" for none`)
		default:
			d.bad(at, n.Line, `must be text; write "" for none`)
		}
	}
	print := func() *yaml.Node {
		if *dst == "" {
			return nil
		}
		return str(*dst)
	}
	return value{read: read, print: print, form: "text"}
}

// blank is a text that is printed also when it is empty.
func blank(dst *string) value {
	v := words(dst)
	v.print = func() *yaml.Node { return str(*dst) }
	return v
}

// textOrNone is a text whose empty one means none on purpose.
func textOrNone(c cutOff, dst *string) value {
	v := textWith(c, dst)
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) {
		read(d, n, at)
		switch s, ok := scalar(n, "!!str"); {
		case ok && s == freeswitch.None:
			d.bad(at, n.Line, `must be text; write "" for none`)
		case ok && s == "":
			*dst = freeswitch.None
		}
	}
	v.print = func() *yaml.Node {
		switch *dst {
		case "":
			return nil
		case freeswitch.None:
			return str("")
		}
		return str(*dst)
	}
	v.form = "text, `\"\"` for none"
	return v
}

// filled is a text that, when given, is not empty.
func filled(dst *string, instead string) value {
	v := text(dst)
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) {
		if s, ok := scalar(n, "!!str"); ok && s == "" {
			d.bad(at, n.Line, "is empty; remove the key for %s", instead)
			return
		}
		read(d, n, at)
	}
	v.without = instead
	return v
}

// folder is the name of a folder; a relative one is looked for beside the configuration.
func folder(dst *string, instead string) value {
	v := filled(dst, instead)
	v.form = "name of a folder"
	return v
}

// secretFile is the name of a file that holds a secret, which comes from the environment
// without it: from the variable env, as the form has it.
func secretFile(o *origin, key, what, form string, env func() string) value {
	v := filled(&o.file, what+" in "+form)
	v.print = func() *yaml.Node {
		switch {
		case o.file != "":
			n := str(o.file)
			n.LineComment = "# " + redacted
			return n
		case o.env:
			return &yaml.Node{HeadComment: "# " + key + ": " + redacted + " (from " + env() + ")"}
		}
		return nil
	}
	v.form = "name of a file"
	return v
}

// refused is a key that looks right and is not allowed: a secret, which belongs into a
// file of its own or into the variable env.
func refused(env string) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		d.bad(at, n.Line, "does not belong in this file: write it to a file of its own and name that in %s_file, or set %s", at, env)
	}
	return value{read: read, print: func() *yaml.Node { return nil }, refused: true}
}

// texts is a list of texts. Values with one of the tags are texts as well, such as dates
// without quotes.
func texts(dst *[]string, tags ...string) value {
	return list(dst,
		func(n int) {
			if n > 0 {
				*dst = make([]string, n)
			}
		},
		func(i int) value {
			v := text(&(*dst)[i])
			read := v.read
			v.read = func(d *decoder, n *yaml.Node, at string) {
				if s, ok := scalar(n, tags...); ok {
					(*dst)[i] = s
					return
				}
				read(d, n, at)
			}
			return v
		})
}

// filledList is a list of texts that, when given, is not empty.
func filledList(dst *[]string, instead string) value {
	return notEmpty(texts(dst), "is empty; remove the key for "+instead, instead)
}

// numbers are the dialled numbers of a profile. An empty list could mean no number or
// every number, so it is refused.
func numbers(dst *[]string) value {
	return notEmpty(texts(dst), "is empty: remove it to serve the numbers that no other profile names", "those that no other profile names")
}

func notEmpty(v value, refusal, instead string) value {
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) {
		if s := resolve(n); s.Kind == yaml.SequenceNode && len(s.Content) == 0 {
			d.bad(at, n.Line, "%s", refusal)
			return
		}
		read(d, n, at)
	}
	v.without = instead
	return v
}

func networks(dst *[]netip.Prefix) value {
	v := list(dst, func(n int) { *dst = make([]netip.Prefix, n) }, func(i int) value {
		read := func(d *decoder, n *yaml.Node, at string) {
			s, ok := scalar(n, "!!str")
			prefix, err := netip.ParsePrefix(s)
			_, bare := netip.ParseAddr(s)
			switch {
			case ok && err == nil:
				(*dst)[i] = prefix
			case ok && bare == nil && strings.Contains(s, ":"):
				d.bad(at, n.Line, "is an address, not a network: add /128 for this address alone")
			case ok && bare == nil:
				d.bad(at, n.Line, "is an address, not a network: add /32 for this address alone")
			default:
				d.bad(at, n.Line, "must be a network in quotes, such as \"10.0.0.0/8\"")
			}
		}
		return value{read: read, print: func() *yaml.Node { return str((*dst)[i].String()) }}
	})
	v.form = "list of networks"
	return v
}

// word is one of the words of a choice, and what it stands for.
type word[T comparable] struct {
	word  string
	value T
}

func is[T comparable](w string, v T) word[T] { return word[T]{w, v} }

// choice is one of some words.
func choice[T comparable](dst *T, words ...word[T]) value { return oneOf("!!str", "", dst, words) }

func boolean(dst *bool) value {
	return oneOf("!!bool", ", without quotes", dst, []word[bool]{is("true", true), is("false", false)})
}

func oneOf[T comparable](tag, how string, dst *T, words []word[T]) value {
	var plain, code []string
	for _, w := range words {
		plain, code = append(plain, w.word), append(code, "`"+w.word+"`")
	}
	or := func(w []string) string { return strings.Join(w[:len(w)-1], ", ") + " or " + w[len(w)-1] }
	read := func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, tag)
		i := slices.Index(plain, s)
		if !ok || i < 0 {
			d.bad(at, n.Line, "must be %s%s", or(plain), how)
			return
		}
		*dst = words[i].value
	}
	print := func() *yaml.Node {
		i := slices.IndexFunc(words, func(w word[T]) bool { return w.value == *dst })
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: words[i].word}
	}
	return value{read: read, print: print, form: or(code)}
}

// count is a whole number from 1, and within what its library allows.
func count(dst *int, bounds string) value {
	return whole(1, math.MaxInt, "of 1 or more", bounds, dst)
}

// percent is the share of calls that are offered a text.
func percent(withhold *int) value {
	v := 100 - *withhold
	p := whole(0, 100, "from 0 to 100", "0 to 100", &v)
	read := p.read
	p.read = func(d *decoder, n *yaml.Node, at string) {
		read(d, n, at)
		*withhold = 100 - v
	}
	return p
}

var (
	decimalForm = regexp.MustCompile(`^\+?(0|[1-9][0-9]*(_[0-9]+)*)$`)
	codedForm   = regexp.MustCompile(`^[-+]?0[0-9xXoObB_]`)
)

// whole is a whole number that is written as people write it: to YAML 050 is 40 and 0x10
// is 16, which nobody means in a configuration.
func whole(least, most int, span, bounds string, dst *int) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, "!!int", "!!float") // 08 is a float
		v, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		switch {
		case ok && codedForm.MatchString(s):
			d.bad(at, n.Line, "must be a whole number %s in plain decimal digits, such as 50: YAML takes 050 for 40 and 0x50 for 80", span)
		case !ok || resolve(n).ShortTag() != "!!int" || err != nil || !decimalForm.MatchString(s) || v < least || v > most:
			d.bad(at, n.Line, "must be a whole number %s, without quotes", span)
		default:
			*dst = v
		}
	}
	print := func() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(*dst)} }
	return value{read: read, print: print, form: "whole number, " + cmp.Or(bounds, "1 or more")}
}

// duration is a time such as 4s, longer than none, and within what its library allows.
func duration(dst *time.Duration, bounds string) value {
	return atLeast(1, dst, cmp.Or(bounds, "longer than 0s"))
}

// durationOrNone is a time such as 4s, or 0s.
func durationOrNone(dst *time.Duration, bounds string) value {
	return atLeast(0, dst, cmp.Or(bounds, "0s or longer"))
}

func atLeast(least time.Duration, dst *time.Duration, bounds string) value {
	read := func(d *decoder, n *yaml.Node, at string) {
		switch s, ok := scalar(n, "!!int", "!!float"); {
		case ok && s == "0" && least == 0:
			*dst = 0
			return
		case ok:
			d.bad(at, n.Line, "is a bare number: give it a unit, such as 4s or 500ms")
			return
		}
		s, ok := scalar(n, "!!str")
		v, err := time.ParseDuration(s)
		switch {
		case !ok || err != nil:
			d.bad(at, n.Line, "must be a time with its unit, such as 4s, 500ms or 1m30s")
		case v < least && least == 0:
			d.bad(at, n.Line, "must be 0s or longer")
		case v < least:
			d.bad(at, n.Line, "must be longer than 0s; remove the key for the default")
		default:
			*dst = v
		}
	}
	return value{read: read, print: func() *yaml.Node { return span(*dst) }, form: "time, " + bounds}
}

// cooldown is a time such as 15m; 0s switches it off.
func cooldown(dst *time.Duration, off *bool) value {
	v := *dst
	if *off {
		v = 0
	}
	c := durationOrNone(&v, "0s, or 1s to 31 days")
	read := c.read
	c.read = func(d *decoder, n *yaml.Node, at string) {
		v = -1
		read(d, n, at)
		switch {
		case v == 0:
			*off = true
		case v > 0:
			*dst = v
		}
	}
	return c
}
