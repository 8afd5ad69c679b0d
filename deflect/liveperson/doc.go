// Package liveperson has what the APIs of LivePerson have in common: who asks
// ([Authenticator]: [OAuth2], [OAuth1]), and over which connections ([NewTransport]).
// Packages livedeflect and c2m speak to one API each.
package liveperson
