// Package freeswitch offers a text to the callers of a FreeSWITCH and has a
// deflect.Client send it.
//
// FreeSWITCH's dialplan hands the call over with its socket application:
//
//	<action application="set" data="socket_resume=true"/>
//	<action application="socket" data="127.0.0.1:8084 async full"/>
//
// A [Server] answers on that address:
//
//	server, err := freeswitch.New(freeswitch.Config{
//		Client: client, // *deflect.Client
//		Profiles: []freeswitch.Profile{{
//			Name: "sales", Dialed: []string{"+18005550100"}, Skill: "sales",
//			Prompts: freeswitch.Prompts{Offer: "ivr/offer.wav", Sent: "ivr/sent.wav"},
//		}},
//	})
//	...
//	err = server.Serve(ctx, listener) // a listener of Listen, until ctx ends and the last call is over
//
// The call is answered, hears the offer, and its caller presses the accept digit,
// the decline digit or nothing. An accepted offer becomes a
// request; then the channel variables deflect_outcome, deflect_reason and their like are
// set (variables.go has them all, and README.md of the dialplan folder) and the dialplan goes
// on. A caller who cannot get a text is not even answered, and the dialplan goes on at once;
// one who was texted a short while ago is told so. Who can is said by the rules of the
// [Profile] ([deflect.Rules]); [Explain] tells what they say of a call.
//
// # Callers who wait
//
// [Server.Watch] offers texts to callers who wait in a queue of a FreeSWITCH that
// Config.Inbound names. The queue announces it and the dialplan tells us, with its
// event application:
//
//	<action application="event" data="Event-Name=CUSTOM,Event-Subclass=deflect::offer"/>
//	<action application="callcenter" data="sales@default"/>
//
// (README.md of the dialplan folder has two lines more, for calls that are announced
// while nobody watches.) The accept digit then comes to the same as in a call that was
// handed over, while the call stays where it is; a caller who was texted can be
// transferred (Profile.OnSent).
//
// Several servers may watch one switch if they share Config.Claims: one of them answers a
// key press, and the others take its calls over when it dies.
//
// Config.Trace is a [Trace]: hooks that hear the commands and events of a call, masked and
// as they are; the context that they return is that of the Client's own.
//
// [HandleEventSocket] serves calls for a program that already has a connection of
// github.com/fiorix/go-eventsocket.
//
// # Strangers
//
// The event socket's outbound port has no authentication, and callers choose
// their names and numbers. Connections are limited by address, number, time and
// frame size (package esl); what breaks a limit is closed and counted, and the
// switch goes on with the call. Nothing that came from a caller, a channel
// variable or the API gets into a command unless it matches a strict form, and
// nothing with ${ gets into one at all.
//
// The watched switches are trusted: they are dialled by us, and whoever has their
// password controls them. What is said to them are fixed words, ids of calls and values
// of a strict form.
//
// A [Server] is safe for concurrent use. Package freeswitchtest has the switch as
// a double, for tests.
package freeswitch
