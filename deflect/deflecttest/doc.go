// Package deflecttest is a double of the LiveDeflect API: the real thing's
// contextAndInvite call, without LivePerson, without an account, and without a
// text that reaches anybody. Use it to test a program that deflects callers.
//
// It is stricter than the real API is known to be. It checks the OAuth 1.0
// signature of each request with code of its own, refuses a nonce that was
// used before, and refuses a request that differs from the published table of
// fields. A refusal always says why.
//
//	api := deflecttest.New(deflecttest.Config{
//		ConsumerKey: "key", ConsumerSecret: "secret",
//		Token: "token", TokenSecret: "token secret",
//	})
//	client := &http.Client{Transport: api} // sign requests as for the real API
//	// ... let the code under test use client and api.URL() ...
//	for _, d := range api.Sent() {
//		fmt.Println(d.CallID, d.ExternalCallID, d.DeflectionText)
//	}
//
// # With and without sockets
//
// A [Server] is an [http.Handler] and an [http.RoundTripper]. As the transport
// of an [http.Client] it uses no socket and starts no goroutine, so it works
// inside a testing/synctest bubble. [RunT] and [Server.Start] serve the same
// thing on a loopback port. Handler and transport share one memory.
//
// # Answers
//
//	what the request was                status  body
//	well formed                         200     {"callId":"473513","success":"true"}
//	without an Authorization header     401     {"error":"No Authorization Header"}
//	with a nonce that was used before   401     {"error":"Invalid Nonce - Nonce has been previously used"}
//	not signed with the configured key  401     {"error":"..."}
//	malformed                           400     {"error":"..."}, all problems in one reason
//	to another path                     404     {"error":"Not Found"}
//	not a POST                          405     {"error":"Method Not Allowed"}
//
// The first three are the vendor's published answers. The vendor publishes
// nothing about the others; their wording is ours.
//
// # Faults
//
// [Server.Inject] and [Server.SetFault] make the API fail in the ways that
// networks and servers do. [Fault] lists them and says after which of them a
// text counts as sent.
//
// # Not covered
//
// The report call, the sibling calls for proactive messages, and any window for
// the timestamp of the signature: none is documented, so every positive number
// is taken.
//
// All methods are safe for concurrent use.
package deflecttest
