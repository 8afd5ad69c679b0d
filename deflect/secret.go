package deflect

import "log/slog"

const redacted = "[redacted]"

// Secret is a string that does not show itself: printing, logging, and encoding
// as JSON, YAML or text give "[redacted]". Use Reveal to get at the value.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or "" for an empty secret, so that output shows
// whether one is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String for %#v.
func (s Secret) GoString() string { return `deflect.Secret("` + s.String() + `")` }

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
