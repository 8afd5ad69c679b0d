package clean

import "regexp"

// IsCallID reports whether an id of the API is one that may be shown and handed on.
func IsCallID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// CallID makes a callId fit for a message: an id has its form, and what has not
// is a stranger's text.
func CallID(id string) string {
	if IsCallID(id) {
		return id
	}
	return Text(id)
}

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// IsUUID reports whether an id has the form of a UUID.
func IsUUID(id string) bool { return uuidForm.MatchString(id) }
