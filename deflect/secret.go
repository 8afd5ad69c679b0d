package deflect

import (
	"log/slog"
	"unique"
)

const redacted = "[redacted]"

// Secret is a text that does not show itself: printing, logging, and encoding as
// JSON, YAML or text give "[redacted]", and where no method of it is called, as in an
// unexported field of a struct that is printed, an address. The zero value is the empty
// secret. Make one with [NewSecret], compare with ==, and use Reveal to get at the value.
type Secret struct{ text unique.Handle[string] }

// NewSecret returns a secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s == (Secret{}) {
		return ""
	}
	return s.text.Value()
}

// Equal is ==, for packages that compare by it.
func (s Secret) Equal(other Secret) bool { return s == other }

// String returns "[redacted]", or "" for an empty secret, so that output shows
// whether one is set.
func (s Secret) String() string {
	if s == (Secret{}) {
		return ""
	}
	return redacted
}

// GoString is String for %#v.
func (s Secret) GoString() string { return `deflect.NewSecret("` + s.String() + `")` }

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
