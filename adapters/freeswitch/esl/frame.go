package esl

import "slices"

// The content types that a switch sends. Any other one is a fault.
const (
	typeAuthRequest      = "auth/request"
	typeCommandReply     = "command/reply"
	typeAPIResponse      = "api/response"
	typeEventPlain       = "text/event-plain"
	typeEventJSON        = "text/event-json"
	typeEventXML         = "text/event-xml"
	typeDisconnectNotice = "text/disconnect-notice"
	typeRudeRejection    = "text/rude-rejection"
	typeLogData          = "log/data"
)

// knownType returns the constant for a content type, or "" if it is unknown.
func knownType(b []byte) string {
	switch string(b) {
	case typeCommandReply:
		return typeCommandReply
	case typeEventPlain:
		return typeEventPlain
	case typeDisconnectNotice:
		return typeDisconnectNotice
	case typeAPIResponse:
		return typeAPIResponse
	case typeAuthRequest:
		return typeAuthRequest
	case typeEventJSON:
		return typeEventJSON
	case typeEventXML:
		return typeEventXML
	case typeRudeRejection:
		return typeRudeRejection
	case typeLogData:
		return typeLogData
	}
	return ""
}

// Frame is one message of the switch: a block of header lines, an empty line,
// and a body as long as Content-Length says. A Frame from a Decoder shares the
// Decoder's memory: it is good until the next Decode. Clone makes it last.
type Frame struct {
	raw         []byte
	head        int // length of the header block with its empty line
	contentType string
}

// ContentType returns the content type, one of the known ones.
func (f Frame) ContentType() string { return f.contentType }

// Header returns the first header with this name, in any case, as it was
// sent: without leading blanks, not decoded.
func (f Frame) Header(name string) (string, bool) {
	v, ok := findHeader(f.raw[:f.head], name)
	return string(v), ok
}

// Body returns the body. It shares the frame's memory.
func (f Frame) Body() []byte { return f.raw[f.head:] }

// Append appends the frame to dst, byte for byte as it was received.
func (f Frame) Append(dst []byte) []byte { return append(dst, f.raw...) }

// Clone returns a copy that has its own memory.
func (f Frame) Clone() Frame {
	f.raw = slices.Clone(f.raw)
	return f
}
