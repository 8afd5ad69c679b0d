package deflect

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

var (
	// logIDForm is of ids that are shown: UUIDs, Call-IDs of SIP, keys of databases, but no
	// text. A caller may have chosen it.
	logIDForm = regexp.MustCompile(`^[A-Za-z0-9_.@:!%*+~()<>/\[\]?=-]{1,255}$`)
	// What is in ids and has many digits, and is no telephone number.
	uuidWithin = regexp.MustCompile(`\b[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b`)
	hexWithin  = regexp.MustCompile(`\b[0-9A-Fa-f]{16,}\b`)
	// ... unless it is in the hexadecimal one.
	wholeNumber = regexp.MustCompile(`[0-9]{10}`)
)

// LogID returns the id of a call, [Call].ExternalCallID, as call_id shows it in every
// log line of this module, so that a program can name the call likewise in its own. A
// UUID, and an id of the characters of SIP's Call-IDs (at most 255), is shown, with what
// may be a telephone number masked to its last two digits; any other id is "?", and none "".
func LogID(id string) string {
	switch {
	case id == "" || clean.IsUUID(id):
		return id
	case !logIDForm.MatchString(id):
		return "?"
	}
	return clean.But(id, noNumbers)
}

// noNumbers finds what is no telephone number in an id: UUIDs, long hexadecimal numbers,
// and the address behind an @.
func noNumbers(id string) [][]int {
	found := uuidWithin.FindAllStringIndex(id, -1)
	for _, at := range hexWithin.FindAllStringIndex(id, -1) {
		if !wholeNumber.MatchString(id[at[0]:at[1]]) {
			found = append(found, at)
		}
	}
	for _, at := range clean.Addresses(id) {
		if at[0] > 0 && id[at[0]-1] == '@' {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return found
}
