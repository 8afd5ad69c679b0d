// Package livedeflecttest is a double of the LiveDeflect API: the real thing's
// contextAndInvite and getLiveDeflectData calls, without LivePerson, without an
// account, and without a text that reaches anybody. Use it to test a program
// that deflects callers, or one that asks what became of them.
//
// It is stricter than the real API is known to be. It checks the OAuth 1.0
// signature of each request with code of its own, refuses a nonce that was
// used before, and refuses a request that differs from the published table of
// fields. A refusal always says why. Tokens of OAuth 2.0 are taken where
// [Config.Bearer] knows them.
//
//	api := livedeflecttest.New(livedeflecttest.Config{
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
//	a text, well formed                 200     {"callId":"473513","success":"true"}
//	a report, well formed               200     {"success":"true","data":{"473513":[...]}}
//	without an Authorization header     401     {"error":"No Authorization Header"}
//	with a nonce that was used before   401     {"error":"Invalid Nonce - Nonce has been previously used"}
//	not signed with the configured key  401     {"error":"..."}
//	malformed                           400     {"error":"..."}, all problems in one reason
//	to another path                     404     {"error":"Not Found"}
//	not a POST                          405     {"error":"Method Not Allowed"}
//
// The first four are the vendor's published answers. The vendor publishes
// nothing about the others; their wording is ours. One path is ours alone: a GET
// of /livedeflecttest?challenge=C is answered with the SHA-256, in hexadecimal, of
// "livedeflecttest C", so that a load test can tell that it texts nobody.
//
// # Report
//
// getLiveDeflectData reports the calls of an account in a window of time, in
// the order in which their texts were sent, with the events that have happened
// by now:
//
//	eventType       eventInfo                    eventTime
//	callstart       Y                            callBeginTime
//	skillchoice     the skill                    deflectionAcceptTime
//	ovrchan         sms                          deflectionAcceptTime
//	deflresponse    Y                            deflectionAcceptTime
//	sendtext        the text, or a standard one  when the request was processed
//	conversationid  the conversation's UUID      when the consumer answered
//
// Fields that the request did not bring are null, and so is conversationId in
// every event of a call until its conversation is open. The vendor documents
// the names, but not what the pairs mean, which calls are in a window, whether
// its ends are, and how soon a call can be seen. [Report] has a setting for
// each, lets consumers answer, and makes answers odd or big; [Server.SetReport]
// changes it at run time.
//
// [Server.SetClock] lets the API's clock differ from ours, and step.
//
// # Faults
//
// [Server.Inject] and [Server.SetFault] make the API fail in the ways that
// networks and servers do; [Server.InjectReport] and [Server.SetReportFault] do
// the same to reports. Those strike by order of arrival; Config.FaultFor chooses by what
// a request asks for, such as its externalCallId, and goes before them. [Fault] lists
// the ways and says after which of them a text counts as sent.
//
// # Not covered
//
// The sibling calls for proactive messages; limits of a report's window or
// size, and paging; any window for the timestamp of the signature: none is
// documented, so every positive number is taken.
//
// All methods are safe for concurrent use.
package livedeflecttest
