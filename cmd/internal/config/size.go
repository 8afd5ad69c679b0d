package config

import "go.yaml.in/yaml/v3"

const maxValues = 1 << 20

// measure refuses what the parser would need gigabytes for, and sets how many values may
// be read: as an alias stands for many, a small file could hold billions.
func (d *decoder) measure(data []byte) bool {
	if len(data) > maxFileBytes {
		d.bad("", 1, "is larger than 16 MiB: this is not a configuration of deflectd")
		return false
	}
	n := 0
	var last byte
	for _, c := range data {
		switch c {
		case ' ', '\t', '\r':
			continue
		case '\n':
			if last != ',' && last != '[' && last != '{' { // else a value a line is two
				n++
			}
		case ',', '[', '{':
			n++
		}
		last = c
	}
	d.left = maxValues + 4*n
	if n > maxValues {
		d.bad("", 1, "holds more than a million values: this is not a configuration of deflectd")
	}
	return n <= maxValues
}

// spend counts a value that is read, and reports whether it may be.
func (d *decoder) spend(n *yaml.Node) bool {
	if d.left--; d.left == 0 {
		d.bad("", n.Line, "stands for too many values, by its aliases (*name): write less of it with them")
	}
	return d.left > 0
}
