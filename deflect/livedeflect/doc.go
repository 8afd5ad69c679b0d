// Package livedeflect talks to LivePerson's LiveDeflect API: contextAndInvite, which texts a
// caller and hands the agents what is known of the call, and getLiveDeflectData, which tells
// later what became of the calls of an account. Requests are signed with OAuth 1.0, or carry a
// token of OAuth 2.0.
//
// A [Client] is the [deflect.Backend] of the engine, package deflect, which says who is
// texted, when, and that it happens once:
//
//	api, err := livedeflect.New(livedeflect.Config{
//		SiteID: "38856538",
//		Domain: "va",
//		Auth:   liveperson.OAuth1{ConsumerKey: key, ConsumerSecret: secret, Token: token, TokenSecret: tokenSecret},
//	})
//	...
//	defer api.Close()
//	client, err := deflect.New(deflect.Config{Backend: api})
//	...
//	defer client.Close() // before api
//	result, err := client.Deflect(ctx, call)
//	...
//	for event, err := range api.Report(ctx, livedeflect.ReportQuery{From: from, To: to}) {
//		...
//	}
//
// # What an answer means
//
//	answer                                                     outcome    reason
//	a 2xx whose success is true                                sent       ok
//	a 2xx that says no, another 4xx                            failed     rejected
//	401, 403; or the request got no credentials, or no token   failed     unauthorized
//	429                                                        failed     rate_limited
//	3xx, which is not followed                                 failed     redirected
//	none, and no byte left, or HTTP/2 says: not processed      failed     unreachable
//	none, and no byte left in time                             failed     deadline
//	5xx, 1xx                                                   uncertain  server_error
//	none in time                                               uncertain  timeout
//	none, the connection broke                                 uncertain  connection_lost
//	a nonce of ours was used before: the request came twice    uncertain  invalid_nonce
//	a 2xx that is cut, unreadable or says nothing; a 4xx that
//	is cut or encoded otherwise than in gzip                   uncertain  bad_response
//
// Where the context was cancelled the reason is canceled, and the outcome failed as long as
// no byte had left. A connection for which this machine had no descriptors or ports is
// failed, internal.
//
// # Errors
//
//	*APIError             an answer that is no success; in the chain of a *deflect.Error or a *ReportError
//	*ReportError          a window of the report whose events are missing; matches the class of its Reason
//	*EventError           one malformed entry of the report; matches deflect.ErrBadResponse
//	ErrOtherText          why the report cannot tell what became of a text; of a deflect.Settlement
//	*deflect.ConfigError  a problem of a Config; matches deflect.ErrInvalidConfig
//
// No error holds a number, a secret, or words of the API that were not made harmless.
//
// A Client is safe for concurrent use. Facts about the API are from LivePerson's LiveDeflect
// pages; where those contradict themselves, Config has a setting. Package livedeflecttest is
// a double of the API.
package livedeflect
