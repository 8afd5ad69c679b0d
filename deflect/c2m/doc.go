// Package c2m talks to LivePerson's Connect to Messaging API 2.0: eligibility, which says
// whether a caller can be texted and is asked before the offer, and invite, which sends the
// text when the caller has asked for it. An offer that nobody takes sends nothing.
//
// A [Client] is the [deflect.Backend] of the engine, package deflect, which says who is
// texted, when, and that it happens once:
//
//	api, err := c2m.New(c2m.Config{
//		Account:   "38856538",
//		HandoffID: "H123456789",
//		BaseURL:   "https://va.connect-to-messaging.liveperson.net",
//		Auth: &liveperson.OAuth2{
//			Account: "38856538", ClientID: id, ClientSecret: secret,
//			URL: "https://va.sentinel.liveperson.net",
//		},
//	})
//	...
//	defer api.Close()
//	client, err := deflect.New(deflect.Config{Backend: api})
//	...
//	defer client.Close() // before api
//	offer, err := client.Offer(ctx, call) // asks for eligibility
//	...
//	result, err := offer.Deflect(ctx) // invites
//
// # What maps where
//
// Marks: d is documented by the vendor, o our choice.
//
//	of the call                   in the request                                      mark
//	Skill                         skill; overrideSkill if it changed since the offer  d
//	ANI or NumberOverride         consumerPhoneNumber, with its plus sign             d
//	HandoffID, Config.HandoffID   handoffId                                           d
//	TemplateVariables             templateVariables                                   d
//	Config.IVRNumber              ivrNumber                                           d
//	ConsumerID                    consumerId, with the channel inapp only             d
//	Text                          overrideMessage, with the channel sms only          d
//	Config.Channels               overrideChannel: the first one that is available    d
//	FirstName, LastName           sdes personal.firstname, personal.lastname          o
//	CustomerID                    sdes ctmrinfo.customerId                            o
//	CustomerIDDescriptor          sdes ctmrinfo.ctype                                 o
//	Digits                        sdes ctmrinfo.accountName                           o
//	DNIS                          sdes ctmrinfo.storeNumber, with its plus sign       o
//	CallerInfo                    the attribute that its name is one of, see below    o
//	ExternalCallID, TextTag,
//	Start, Accepted               nothing: the API has no place for them              d
//
// Caller info goes to the engagement attribute (SDE) of its name, in capitals or small
// letters: cstatus, ctype, customerId, balance, currency, socialId, imei, userName,
// companySize, companyBranch, accountName, role, storeNumber and storeZipCode of ctmrinfo;
// firstname, lastname, gender, language, company, and email and phone of the contact, of
// personal. Texts, numbers and switches are sent as texts, but balance and companySize as the
// numbers that they must be; gender is MALE, FEMALE or OTHER. FirstName, LastName and
// CustomerID go before caller info of those names; caller info goes before Digits, DNIS and
// CustomerIDDescriptor, so that a call can use their places otherwise. What has no place is
// not sent: it is logged once for each name, and [Client.Preview] lists it. In-App takes
// neither attributes nor variables.
//
// A text of the call's own can be sent by SMS alone. With Config.Channels it is sent when sms
// is the channel, without them when eligibility recommends it; else the handoff's text is.
//
// Agents are shown what was known when eligibility was asked for. A caller who has keyed in
// more since, or who asks for the text after Config.TicketAge, is asked for again before the
// invite.
//
// # What an answer means
//
// An invite; the answer to an eligibility means the same, but that nobody was texted by it,
// so that what is uncertain there has failed.
//
//	answer                                                     outcome     reason
//	a 2xx with a callId, or eligible true with one             sent        ok
//	eligible false, or by none of Config.Channels              ineligible  not_eligible
//	4xx, code 1400                                             ineligible  open_conversation
//	4xx, code 1001                                             ineligible  number_not_mobile
//	401, 403, code 1100, 1101; or no credentials were got      failed      unauthorized
//	429, code 1029; or no place among those of a second        failed      rate_limited
//	another 4xx, whatever its code                             failed      rejected
//	3xx, which is not followed                                 failed      redirected
//	none, and no byte left, or HTTP/2 says: not processed;
//	or nobody knows the host of the API                        failed      unreachable
//	none, and no byte left in time                             failed      deadline
//	5xx, 1xx                                                   uncertain   server_error
//	none in time                                               uncertain   timeout
//	none, the connection broke                                 uncertain   connection_lost
//	a nonce of ours was used before: the request came twice    uncertain   invalid_nonce
//	a 2xx that is cut, unreadable or says nothing; a 4xx that
//	is cut or encoded otherwise than in gzip                   uncertain   bad_response
//
// An invite that something on the way delivers twice is known by its nonce where requests are
// signed (OAuth 1.0). With a token it is not: should the vendor answer the copy with code
// 1400, the text that the first one sent is taken for none.
//
// Where the context was cancelled the reason is canceled, and the outcome failed as long as
// no byte had left. WhatsApp is eligible always, whoever is asked for, and an opt-out shows
// in the vendor's report only.
//
// # The report
//
// [Client.Transactions] reads the Outbound Reporting API: what became of each call since its
// eligibility, up to 20 minutes late; package funnel counts it. The engine asks it about a text
// whose invite ended uncertain, by the callId of the eligibility, which is taken to be the
// transactionId. A transaction with a time of sending, or a status that comes after it, is a
// text that was sent; one without, 25 minutes later, is one that was not. A report that does
// not know the callId leaves it unknown.
//
// # Errors
//
//	*APIError             an answer that is no success; in the chain of a *deflect.Error
//	*ReportError          a part of the report that is missing
//	*TransactionError     one malformed item of it
//	*deflect.ConfigError  a problem of a Config; matches deflect.ErrInvalidConfig
//
// No error holds a number, a secret, or words of the API that were not made harmless.
//
// A Client is safe for concurrent use. Facts about the API are from LivePerson's pages, and
// were not tried against an account. Package c2mtest is a double of the API.
package c2m
