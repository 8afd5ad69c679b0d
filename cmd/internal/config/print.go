package config

import (
	"bytes"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// redacted stands where a secret would be.
const redacted = "[redacted]"

// Effective returns the configuration as YAML with every default filled in. It
// can be loaded again, given the same secrets: those are not in it, only a
// comment where each one came from.
func (f File) Effective() string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(section(f.rows()...).print()); err != nil {
		return "# cannot be shown: " + err.Error() + "\n"
	}
	return b.String()
}

var plainForm = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

// str writes plain words plainly and everything else in quotes, so that no text
// can be read back as anything but itself.
func str(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !plainForm.MatchString(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// span writes 30s and 2m for what time.Duration calls 30s and 2m0s.
func span(d time.Duration) *yaml.Node {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
