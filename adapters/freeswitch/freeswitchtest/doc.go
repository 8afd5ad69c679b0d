// Package freeswitchtest plays FreeSWITCH and its callers for programs that
// are reached through the dialplan's socket application:
//
//	<action application="socket" data="127.0.0.1:8084 async full"/>
//
// It needs no FreeSWITCH. A [Call] is one caller. [Call.Dial] connects to the
// program as the dialplan would, [Call.Run] uses a connection that is there,
// for example one end of net.Pipe. The [Result] tells what became of the
// caller: whether the dialplan went on and with which channel variables, what
// was played, and which commands FreeSWITCH would not have liked.
//
//	call := freeswitchtest.Call{
//		ANI:          "+14045550123",
//		DNIS:         "18005550100",
//		SocketResume: true,
//		Script: []freeswitchtest.Action{
//			freeswitchtest.Press("1").After(time.Second),
//		},
//	}
//	result, err := call.Dial(ctx, "127.0.0.1:8084")
//
// The double is made after recordings of FreeSWITCH 1.10.12 and is compared
// with them frame by frame: the same headers in the same order, the same
// replies, the same events at the same time. It has its own code for the
// protocol and none of the program that it tests. [Replay] plays such a
// recording itself, whatever the program does.
//
// A Call, a Replayer and Check are safe for concurrent use. All time passes
// through package time, so that a call over net.Pipe can run in a bubble of
// testing/synctest and takes no time there. A call that waits costs two
// goroutines and less than 20 KB with them: thousands fit in one process.
//
// # Executes
//
// FreeSWITCH looks at the queue of executes once in a frame of 20 ms, also
// while it plays. An execute that comes during a playback runs inside it, at
// once: a second playback lets the first one wait, and is told to be complete
// before it. A break is queued like the rest and ends all that is playing, the
// innermost first; what was sent behind it follows, and nothing is thrown
// away. A break while nothing plays does nothing. Only answer, and a sleep
// before the answer, hold the queue up.
//
// After exit, or when the connection breaks, the dialplan goes on: with resume
// or socket_resume at once, cutting what plays, otherwise when all prompts have
// ended. Only before the call is parked, within 2 ms of the first command, does
// the end of the connection leave a call without socket_resume stuck.
//
// # Not modelled
//
//   - The dialplan around the socket action, other calls, and inbound mode.
//   - Applications other than those of [Check]: any other hangs the caller up,
//     as FreeSWITCH does with one that it does not know.
//   - Events as JSON or XML, log lines, filters with regular expressions or
//     with + and -, event-lock, loops other than one, quotes in a multiset.
//   - Functions in ${...}: they are noted and become nothing.
//   - Sound: a prompt only takes time. Before the answer there is no early
//     media state; keys are heard then only while a prompt plays.
//   - The end of a call under linger without a number of seconds: the socket
//     stays until the peer closes it.
//   - The replies to nolinger, noevents, divert_events, uuid_exists, uuid_dump
//     and to getvar with a variable that is set: none is in the recordings.
//   - What is in the queue when the call ends: it is dropped, where FreeSWITCH
//     would still set variables on the dead channel. What is behind a second
//     break when control is given up comes too late: it is dropped as well,
//     where FreeSWITCH does it later, in the next actions of the dialplan.
//   - The limit of FreeSWITCH to about 30 nested executes.
//   - A call that is transferred lands in an extension that answers, waits and
//     hangs up.
package freeswitchtest
