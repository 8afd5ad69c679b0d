// Package c2mtest is a double of LivePerson's Connect to Messaging 2.0, and of what belongs
// to it: eligibility and invites, the tokens of OAuth 2.0, the Domain API, the Outbound
// Reporting API and the shift status. It needs no account, and no message reaches anybody.
//
// It is stricter than the real APIs are known to be. It checks tokens and OAuth 1.0
// signatures with code of its own, and refuses a request that differs from the published
// tables of fields. A refusal always says why.
//
//	api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"})
//	client := &http.Client{Transport: api}
//	// ... let the code under test use client and api.URL(), for all of the APIs ...
//	for _, i := range api.Invites() {
//		fmt.Println(i.CallID, i.Number, i.Channel, i.Message)
//	}
//
// # With and without sockets
//
// A [Server] is an [http.Handler] and an [http.RoundTripper]. As the transport
// of an [http.Client] it uses no socket and starts no goroutine, so it works
// inside a testing/synctest bubble. [RunT] and [Server.Start] serve the same
// thing on a loopback port. Handler and transport share one memory. All APIs are at
// one URL: their paths tell them apart.
//
//	call          path
//	eligibility   POST /api/account/{account}/eligibility?v=2.0
//	invite        POST /api/account/{account}/invite?v=2.0
//	token         POST /sentinel/api/v2/account/{account}/app/token
//	domain        GET  /api/account/{account}/service/{service}/baseURI.json?version=1.0, or without {service}
//	transactions  POST /api/account/{account}/app/c2m/transactions/?attemptedStartTime=..&attemptedEndTime=..&v=2.0
//	analytics     GET or POST /api/account/{account}/app/c2m/analytics/?attemptedStartTime=..&attemptedEndTime=..
//	shift_status  GET  /api/account/{account}/skills/{skill}/shift-status-skill
//
// One path is ours alone: a GET of /c2mtest?challenge=C is answered with the SHA-256, in
// hexadecimal, of "c2mtest C", so that a load test can tell that it texts nobody.
//
// # Answers
//
// Eligibility and invites are refused with the vendor's codes, and their text and more is
// the errorMessage:
//
//	what the request was                                   status  code
//	to another path                                        404     1004
//	with another method                                    405     1005
//	without authorization, or with one that is not good    401     1100
//	one too many in a second                               429     1029
//	not of JSON                                            415     1015
//	without v=2.0                                          400     1002
//	malformed, or with a field that the page has not       400     1000
//	for a number that is not E.164, with a plus            400     1001
//	for a skill that is none of Config.Skills              400     1300, 1901 in an invite
//	for a handoff that is none of Config.HandoffIDs        400     1500
//	for a channel that eligibility did not name            400     1900
//	an invite for a consumer in a conversation             400     1400
//	an invite for who was not eligible                     400     1400
//	an invite with a callId that is unknown, or too old    404     1004
//
// The other APIs say why in the form of their pages, tokens in that of RFC 6749.
//
// # What the vendor leaves open
//
// Where the pages are silent or contradict each other, the reading is the one that forgives
// a client less, and often a setting:
//
//   - The limit of 30 requests a second is for eligibility and invites together, in any one
//     second ([Config.Rate]).
//   - A number has 15 characters at most, the plus among them. Optional fields are not empty.
//     The sdes have the documented attributes only, and each type once.
//   - A callId grows too old ([Config.TicketLife]). A second invite sends again
//     ([Config.SecondInvite]). It is a violation also if the first one ended without a clear
//     no: [Server.Violations].
//   - Eligibility may know of an open conversation or not ([Config.Open]), of opt-outs
//     ([Config.OptOutsKnown]), and of landlines ([Config.DeviceCheck], an account's setting
//     that is off by default). An opted-out consumer's invite is answered 200, and skipped.
//   - WhatsApp is always eligible, as documented, also in a conversation. It is the invite
//     that fails.
//   - The shift status takes no OAuth 1.0.
//   - A refused eligibility is a transaction too, which failed. One that nobody
//     invited with has no status, and no sentTime.
//   - A transaction's id is the callId of its eligibility, also with [Config.OtherCallID],
//     unless [Report].OtherIDs. Reports have no numbers of people.
//
// # Faults
//
// [Server.Inject] and [Server.SetFault] make a call fail in the ways that networks and
// servers do. Those strike by order of arrival; [Config.FaultFor] chooses by what a request
// asks for, and goes before them. [Fault] lists the ways, and says after which of them a
// message went out.
//
// # Not covered
//
// Version 1.0 of the calls, Proactive Messaging, the list of handoffs, the reports of
// campaigns, and any window for the timestamp of a signature: none is documented.
//
// All methods are safe for concurrent use.
package c2mtest
