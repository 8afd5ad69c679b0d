// Package freeswitchtest plays FreeSWITCH and its callers, for programs that
// the switch dials and for programs that dial the switch. It needs no
// FreeSWITCH.
//
// # The switch dials
//
// Programs of the first kind are reached through the dialplan's socket
// application:
//
//	<action application="socket" data="127.0.0.1:8084 async full"/>
//
// A [Call] is one caller. [Call.Dial] connects to the
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
// Result.Timeline tells the call to people; Result.Moments are for programs that
// measure.
//
// # The program dials
//
// Programs of the second kind dial the switch's own port, 8021, hear the
// events of all calls and steer calls that wait in a queue. A [Switch] is such
// a FreeSWITCH, [Switch.Park] brings a call into it:
//
//	s := &freeswitchtest.Switch{}
//	if err := s.Start(); err != nil { ... }
//	defer s.Stop()
//	// the program dials s.Addr()
//	call := s.Park(freeswitchtest.Call{ANI: "+14045550123"})
//	call.Announce()
//	call.Press("1")
//
// [Switch.ServeConn] serves a connection that is there. [Waiting.Result] tells
// what programs have done with the call, [Switch.Violations] what FreeSWITCH
// would not have liked. [CheckInbound] looks at one command alone, as [Check]
// does for programs of the first kind.
//
// # Faithfulness
//
// The double is made after recordings of FreeSWITCH 1.10.12 and is compared
// with them frame by frame: the same headers in the same order, the same
// replies, the same events at the same time. It has its own code for the
// protocol and none of the program that it tests. [Replay] plays such a
// recording itself, whatever the program does.
//
// A Call, a Replayer, a Switch with its Waiting calls, Check and CheckInbound
// are safe for concurrent use. All time passes through package time, so that
// everything over net.Pipe can run in a bubble of testing/synctest and takes
// no time there. A call under control costs two goroutines and less than 20 KB
// with them, a Waiting call no goroutine: thousands fit in one process.
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
// # Calls that are moved
//
// A call that somebody transfers ([Transfer], [TransferToPark]), or whose dialplan another
// socket lets go on ([OtherSocket]), leaves the socket application and not the peer: the
// connection stays. When it ends, with resume said or socket_resume true, the switch puts
// the call into CS_RESET, and the caller hears nothing any more; the end also ends a park
// elsewhere. Both are Result.Lost. So is a socket without async that is left with resume, and
// socket_resume that is unset too late. What is left set is Result.ResumeLeft.
//
// # Keys
//
// Keys of a menu before (Call.Queued) are reported one a frame, until flush_dtmf. None is
// while sensitive_dtmf is true. "*" ends a prompt, unless playback_terminators says
// otherwise, of the channel or of the one application: %[playback_terminators=none]FILE.
//
// # Sounds
//
// Every file plays for two seconds, unless Prompts or Length say otherwise. Every file
// exists, unless Missing or Exists say otherwise: a playback of what does not ends at once
// with FILE NOT FOUND, and the call goes on. [Sounds] looks for files on this machine, where
// FreeSWITCH would.
//
// # Broadcasts
//
// What uuid_broadcast plays waits for the caller's sound and begins 200 ms
// later, the next one 180 ms after it has ended. uuid_break ends what plays,
// in the next frame, and the music in the one after; what is about to begin goes
// on. uuid_park takes a call out of the queue where it is. uuid_transfer changes the
// caller's profile at once, and a frame later begins and gives up all that had
// waited. An agent of mod_callcenter silences everything; an agent of mod_fifo
// is not connected with a caller who hears a broadcast until a uuid_break, and
// tells of the answer before, with fifo::info. show channels knows of a call 150 ms
// after it came. What is the whole switch's is told as well: its dialplan (Switch.Contexts),
// event_socket.conf with its password, global variables, modules, its version, and whether
// there is a file, which is looked for on this machine.
//
// # Not modelled
//
// On the socket of one call:
//
//   - The dialplan around the socket action, and other calls.
//   - Applications other than those of [Check]: any other hangs the caller up,
//     as FreeSWITCH does with one that it does not know.
//   - Events as JSON or XML, log lines, filters with regular expressions,
//     event-lock, loops other than one, quotes in a multiset.
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
//
// On the port that programs dial:
//
//   - Events as XML, log lines, filters with regular expressions, myevents,
//     sendmsg, userauth, events with a body, and events for one call: all of
//     them are violations.
//   - Api commands other than those of [CheckInbound], and other forms of them
//     than it accepts. uuid_broadcast lets only the caller hear something.
//   - Everything before the call waits, and the events of other channels: the
//     telephone that calls, and the agent, but for the CHANNEL_BRIDGE of
//     mod_fifo. They are not in show channels either.
//   - The queues: music, positions, the events callcenter::info and fifo::info (but
//     for caller_pop), what an agent hears before and does later, and how a bridge ends by itself. Agent, HangUp
//     and Transfer happen at once, where the switch takes up to two frames.
//   - Until an agent answers, the call waits in park, whatever its queue is.
//   - A transferred call waits in its extension, whose dialplan does nothing.
//   - A caller profile that remembers more than the call's first and last
//     numbers, early media, hold, and the heartbeat of the switch.
//   - A shutdown in order: after Stop and Restart there is no notice, as if
//     the process had died.
//   - Memory instead of 100,000 events: a connection breaks when a program
//     leaves 256 MB unread.
package freeswitchtest
