// Package deflect is the engine that moves a phone call to messaging: may this caller be
// texted, and the one text. It knows no vendor: a [Backend] sends, such as that of package
// livedeflect, behind a circuit breaker, and every call ends in an outcome of a closed list.
//
//	api, err := livedeflect.New(livedeflect.Config{SiteID: "38856538", Domain: "va", Auth: auth})
//	...
//	client, err := deflect.New(deflect.Config{Backend: api})
//	...
//	offer, err := client.Offer(ctx, deflect.Call{
//		ANI: "+14043438646", DNIS: "+18005550100",
//		Start: callStart, ExternalCallID: uuid, Skill: "sales",
//	})
//	...
//	defer offer.Release()
//	result, err := offer.Deflect(ctx)
//
// # What an answer means
//
//	outcome     when                                                       the text
//	sent        a 2xx whose success is true                                is on its way
//	failed      4xx, 3xx, success false, nothing left this machine, or
//	            HTTP/2 says that it was not processed                      was certainly not sent
//	uncertain   5xx, a lost connection, no answer in time, a cut answer,
//	            or a nonce that was seen before: the request came twice    may have been sent
//	deferred    the team is closed, or it failed for now, and it may wait  was kept, and is sent later
//	ineligible  the number, the policy or the API does not let this
//	            caller be texted                                           was not asked for
//
// What of it an API's answer is, its backend says. Every outcome comes with a [Reason] of a
// closed list, and every error of [Client.Deflect] is an [*Error] that matches one of these with errors.Is:
//
//	ErrInvalidCall   the call is refused before anything is sent; every problem is a *ValidationError
//	ErrIneligible    the policy does not let this caller be texted now
//	ErrBreakerOpen   the API failed repeatedly and is left alone for a while
//	ErrUnauthorized  401, 403, a refused nonce, or a request that got no credentials
//	ErrRateLimited   429
//	ErrRejected      another 4xx, a redirect, or an answer that says no
//	ErrUnavailable   unreachable, lost, too slow, or 5xx
//	ErrBadResponse   a 2xx that cannot be read
//	ErrCanceled      the context was cancelled, or that of a report ended; the error matches the context's error and cause too
//	ErrJournal       the journal does not answer, and without it nobody would know of the text after a crash
//	ErrInternal      a defect of this program, or a limit of this machine
//	ErrClosed        the Client was closed before, or a phone system ended the call because its process was stopped
//
// Errors for calls that a phone system ended before Deflect can match one more: ErrSwitch
// for what the switch did not do.
//
// [NotSent] tells whether an error proves that no text was sent.
//
// # Offering
//
// Whom to offer a text, and when, is said by [Rules]: countries, line types, opening
// hours, least wait, a percentage, a do-not-text list, consent, a cooldown, so that
// a caller who calls again is not texted again, and a budget of what the agents can take. Make a [Policy] of them and set it in
// [Call.Policy]. Before a caller is offered a text, ask [Client.Offer], so that nobody is
// promised what cannot be kept; [Client.Explain] tells what each rule says. Deflect
// asks those rules again that protect who is texted. An [Offer] is the session of its call,
// and counts how that ends, once; calls without one are counted by [Client.CountOutcome].
//
// A backend can have to be asked about a caller before the offer ([Asker]), within
// Config.AskDeadline, since that caller hears nothing yet; its answer is used for the text, or,
// when it has grown old, asked for again. Policies can have backends of their own
// (Config.Backends), each with a breaker.
//
// What is shared between calls (cooldowns, budgets, the breaker) is kept by the Client, in
// memory; [Client.Reload] goes on with another configuration and keeps it. Several processes
// share it through [Cooldowns] and [Budgets] of their own, and [Warnings] of their breakers.
//
// # Seeing one call
//
// Config.Trace is a [Trace]: hooks that hear every rule with its answer, every request, and
// what became of a text later, each with the context of what it is inside of.
//
// # What became of a text
//
// An uncertain deflection is looked up in the background, by a backend that can tell
// ([Teller]), from Settle.After until Settle.Limit: Config.OnSettled hears what came of it.
// [Client.Close] ends that, and must be called.
//
// A [Client] is safe for concurrent use.
package deflect
