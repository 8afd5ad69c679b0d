package phone

import "log/slog"

// Parsed is a number that was read, and what the number plan of its country says of it:
// plain data, comparable, its zero value that of no number. It prints, logs and encodes
// as its masked number.
type Parsed struct {
	Country  string // country code, digits
	National string // national significant number: digits, without trunk prefix
	E164     string // with its plus sign
	Region   string // of ISO 3166; "" for a number of no country, such as an international freephone number
	Kind     Kind

	// Doubtful says that it can be read as two numbers of two people, and nothing tells
	// which one is meant.
	Doubtful bool
	// Placeholder says that it stands where there is no number, as "1234567890" does.
	// What cannot be a number can be one.
	Placeholder bool
}

// Kind is what kind of line has a number, as far as texts go.
type Kind uint8

// The kinds. Number plans do not tell mobiles from landlines in much of the world,
// North America among them.
const (
	Unassigned Kind = iota // the number plan has no such numbers
	Mobile
	FixedLine
	MaybeMobile // mobile or fixed, or voice over IP
	Service     // premium-rate, toll-free, shared-cost, company-wide, voicemail, personal, pager
)

// Valid reports whether the number plan of its country has such numbers.
func (p Parsed) Valid() bool { return p.Kind != Unassigned }

// Textable reports whether a text can reach such a number: what is not known to be
// something else passes, an unassigned number too.
func (p Parsed) Textable() bool { return p.Kind != FixedLine && p.Kind != Service }

// String returns the number masked to its last two digits.
func (p Parsed) String() string { return Number(p.E164).String() }

// GoString is String for %#v.
func (p Parsed) GoString() string { return `phone.Parsed{"` + p.String() + `"}` }

// LogValue is String for slog.
func (p Parsed) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is String for encoders.
func (p Parsed) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
