package freeswitchtest

import "strings"

// variables are the variables of one channel in the order in which they were
// set, as FreeSWITCH sends them: setting one again moves it to the end. Those
// of the template are not copied: a call only remembers which are gone.
type variables struct {
	entries []variable
	gone    [4]uint64 // bits over template.vars
}

// A variable is one of the call's own, or stands for a group of the template.
type variable struct {
	name, value string // raw
	group       group  // if name is empty
}

func goodName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == ':' || r == '=' || r == 0x7f })
}

func (v *variables) set(name, value string) {
	v.unset(name)
	v.entries = append(v.entries, variable{name: name, value: value})
}

func (v *variables) unset(name string) {
	for _, i := range tmpl.index[name] {
		v.gone[i/64] |= 1 << (i % 64)
	}
	for i := range v.entries {
		if v.entries[i].name == name && name != "" {
			v.entries = append(v.entries[:i], v.entries[i+1:]...)
			return
		}
	}
}

// appear sets all variables of a group.
func (v *variables) appear(g group) {
	span := tmpl.groups[g]
	for i := span.from; i < span.to; i++ {
		v.unset(tmpl.vars[i].name)
	}
	for i := span.from; i < span.to; i++ {
		v.gone[i/64] &^= 1 << (i % 64)
	}
	v.entries = append(v.entries, variable{group: g})
}

// get gives the raw value of a variable.
func (v *variables) get(name string, fill func([]byte, string) []byte) (string, bool) {
	for _, e := range v.entries {
		if e.name == name && name != "" {
			return e.value, true
		}
		if e.name != "" {
			continue
		}
		span := tmpl.groups[e.group]
		for _, i := range tmpl.index[name] {
			if i < span.from || i >= span.to || v.gone[i/64]&(1<<(i%64)) != 0 {
				continue
			}
			line := string(tmpl.vars[i].append(nil, "", fill))
			if _, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
				return decoded(value), true
			}
		}
	}
	return "", false
}

func (v *variables) append(dst []byte, fill func([]byte, string) []byte) []byte {
	for _, e := range v.entries {
		if e.name != "" {
			dst = append(dst, "variable_"...)
			dst = append(dst, e.name...)
			dst = append(dst, ": "...)
			dst = appendEncoded(dst, e.value)
			dst = append(dst, '\n')
			continue
		}
		span := tmpl.groups[e.group]
		for i := span.from; i < span.to; i++ {
			if v.gone[i/64]&(1<<(i%64)) == 0 {
				dst = tmpl.vars[i].append(dst, "variable_", fill)
			}
		}
	}
	return dst
}
