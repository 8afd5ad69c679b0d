package freeswitch

import (
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// nobody is the number of a caller of whom we do not know it, or who hides it.
const nobody phone.Number = "anonymous"

// callerNumber is the number of the person who hears the offer and presses the key,
// the one to text unless deflect_number says otherwise. Where it is not certain whose
// number is shown, or it was withheld, it is nobody's.
func callerNumber(e headers) phone.Number {
	switch {
	case e.Get("Caller-Privacy-Hide-Number") == "true", loopback(e):
		return nobody
	case outbound(e):
		return calledNumber(e)
	case withheld(e), shownAnother(e):
		return nobody
	}
	// Caller id before ANI: the dialplan may have put the caller id into shape
	// (set_profile_var), and ANI can be the number that a trunk is billed to.
	for _, h := range []string{"Caller-Caller-ID-Number", "Caller-ANI"} {
		if n := e.Get(h); n != "" {
			return phone.Number(n)
		}
	}
	return nobody
}

// outbound reports whether the switch has dialled this leg: the other one of a bridge,
// or a call that it made by itself.
func outbound(e headers) bool {
	is := false
	for _, h := range []string{"Call-Direction", "Caller-Direction", variablePrefix + directionVariable} {
		is = e.Get(h) == "outbound" || is
	}
	return is
}

// loopback reports whether the leg ends inside the switch. Somebody listens at the
// far end, but the number that it carries is that of whoever caused the call.
func loopback(e headers) bool {
	return e.Get("Caller-Source") == "mod_loopback" || strings.HasPrefix(e.Get("Channel-Name"), "loopback/")
}

// calledNumber is the number of whoever was called. The caller id of such a leg is
// somebody else's as long as it rings, and that of the called one after a transfer.
// What was dialled counts if the switch also says that its owner is at the other end.
func calledNumber(e headers) phone.Number {
	dialed := variableOf(e, sipToUserVariable)
	if dialed == "" || dialed != e.Get("Caller-Callee-ID-Number") && dialed != e.Get("Caller-Caller-ID-Number") {
		return nobody
	}
	return phone.Number(dialed)
}

// shownAnother reports whether a call that was connected with somebody shows their
// number instead of its own: mod_fifo leaves the agent's.
func shownAnother(e headers) bool {
	if variableOf(e, bridgedVariable) == "" && variableOf(e, bridgedBeforeVariable) == "" && e.Get("Other-Leg-Unique-ID") == "" {
		return false
	}
	shown := e.Get("Caller-Caller-ID-Number")
	return shown != "" && !sameNumber(shown, e.Get("Caller-ANI")) && !sameNumber(shown, e.Get("Caller-Orig-Caller-ID-Number"))
}

// sameNumber reports whether two spellings of a number are of one telephone.
func sameNumber(a, b string) bool {
	a, b = lastDigits(a), lastDigits(b)
	return a != "" && (strings.HasSuffix(a, b) || strings.HasSuffix(b, a)) && b != ""
}

// lastDigits leaves the digits of a number that is long enough to be told by its end.
func lastDigits(s string) string {
	const enough = 7
	s = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if len(s) < enough {
		return ""
	}
	return s
}

// withheld reports whether the caller hides the number. The network may tell it all
// the same (P-Asserted-Identity), and the switch then shows it; its own sign of a
// hidden number stands for "Privacy: id" and for some of Remote-Party-ID alone.
func withheld(e headers) bool {
	user, _, _ := strings.Cut(variableOf(e, sipFromUserVariable), ";")
	if user != "" && phone.Number(user).Hidden() {
		return true
	}
	if host := strings.ToLower(variableOf(e, sipFromHostVariable)); host == "invalid" || strings.HasSuffix(host, ".invalid") {
		return true
	}
	for _, h := range []string{sipPrivacyVariable, sipOtherPrivacyVariable} {
		if asksPrivacy(variableOf(e, h)) {
			return true
		}
	}
	for _, party := range strings.Split(strings.ToLower(variableOf(e, sipPartyVariable)), "privacy=")[1:] {
		if hides(strings.FieldsFunc(party+";", notToken)) {
			return true
		}
	}
	return false
}

// asksPrivacy looks at a Privacy header, RFC 3323. Of what it does not know, it
// takes the worst.
func asksPrivacy(value string) bool {
	for _, word := range strings.FieldsFunc(strings.ToLower(value), notToken) {
		switch word {
		case "none", "critical", "session", "history":
		default:
			return true
		}
	}
	return false
}

// hides looks at the words of a Remote-Party-ID from its privacy on.
func hides(words []string) bool {
	if len(words) == 0 {
		return false
	}
	switch words[0] {
	case "off", "no", "none", "name":
		return false
	}
	return true
}

func notToken(r rune) bool { return strings.ContainsRune(" \t\r\n,;\"'<>", r) }

// dialedNumbers are the numbers that may be the one of ours that this call is about.
// After a transfer the destination is an extension; RDNIS and the SIP headers still
// have what the caller dialled. Of a leg that the switch has dialled they are those of
// the other leg, or the number that it showed: not that of whoever was called.
func dialedNumbers(e headers) (list []phone.Number) {
	names := []string{"Caller-Destination-Number", "Caller-RDNIS", variablePrefix + sipToUserVariable, variablePrefix + sipRequestVariable}
	called := ""
	if outbound(e) {
		names = []string{"Caller-Destination-Number", "Caller-RDNIS", "Other-Leg-Destination-Number", variablePrefix + shownNumberVariable}
		if e.Get("Other-Leg-Unique-ID") != "" {
			names = names[:3] // it showed the number of the other leg
		}
		called = variableOf(e, sipToUserVariable)
	}
	for _, h := range names {
		if n := e.Get(h); n != "" && (called == "" || n != called && !sameNumber(n, called)) {
			list = append(list, phone.Number(n))
		}
	}
	return list
}
