// Package double is what the doubles of LivePerson's APIs have in common: how requests
// arrive, over a socket and without one; OAuth 1.0 signatures, checked by code of its
// own; JSON read strictly; the ways to fail; and the proof of being a double. It shares no
// code with the clients that the doubles test.
package double
