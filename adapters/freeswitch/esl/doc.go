// Package esl is our side of FreeSWITCH's outbound event socket: the switch
// dials us when a call reaches the socket application, we send commands, and
// it sends replies and events. The port has no authentication, so the package
// takes whoever dials for a stranger: every frame has limits, every wait has an
// end, and nothing a peer sends can make us write more than one command.
//
//	func offer(nc net.Conn) error {
//		conn := esl.NewConn(nc, esl.Config{})
//		defer conn.Close()
//		err := conn.Post(esl.Connect(), esl.Linger(5), esl.MyEvents(), esl.Filter("Event-Name", "DTMF"))
//		if err != nil {
//			return err
//		}
//		for {
//			e, err := conn.Next(time.Time{})
//			if err != nil {
//				return err
//			}
//			switch e.Name() {
//			case esl.ChannelData:
//				fmt.Println("called:", e.Get("Caller-Destination-Number"))
//				err = conn.Post(esl.Execute("offer-1", "playback", "ivr/offer.wav"))
//			case "DTMF":
//				fmt.Println("pressed:", e.Get("DTMF-Digit"))
//				return conn.Post(esl.Resume(), esl.Exit())
//			case esl.CommandError:
//				err = errors.New(e.Get("Reply-Text"))
//			}
//			if err != nil {
//				return err
//			}
//		}
//	}
//
// Commands go out in batches, one write each. The switch answers them in
// order, and so a reply is matched by its place alone. Whoever receives waits in one
// place for everything: events, the channel's data and refusals, which come as events
// too, a time of its choice, and Wake. Nothing is read ahead of that: a peer that sends
// too much waits in its own network buffer.
//
// # Concurrency
//
// A Conn has no goroutine, and no buffer worth mentioning while nothing arrives.
// One goroutine at a time may call Post and Next, whose event is good until the
// next call; Wake, Err and Close are safe for concurrent use. It calls no code
// of the caller. A Decoder is not safe for concurrent use.
//
// # Errors
//
// A command that the switch refuses is an event named CommandError, and no
// error. A command that must not be written is an error that wraps ErrUnsafe;
// nothing of its batch is written, and the connection goes on. So it does after
// ErrTimeout and ErrWoken, with which Next ends a wait. Everything else ends the
// connection, and Err says why: io.EOF (the peer closed it between two frames),
// net.ErrClosed (we did), the network's own error, or a *ProtocolError of one of
// these kinds:
//
//	content_type      a frame without a content type, or with an unknown one
//	content_length    a Content-Length that is no number, or two different ones
//	header_size       a header with more bytes than Limits.HeaderBytes, or one of
//	                  too many that have more than 64 KiB at the same moment
//	header_lines      a header with more lines than Limits.HeaderLines
//	body_size         a Content-Length above Limits.BodyBytes, or as above
//	malformed         a header line without a name, a NUL in a header, a frame
//	                  without headers, an event that cannot be read or that
//	                  has no name or one of ours
//	reply             a reply that begins neither with +OK nor with -ERR
//	unexpected_reply  a reply to nothing
//	unexpected        a frame that the switch sends only when it is asked to:
//	                  an auth request, a rejection, a JSON or XML event
//	event_flood       more than 256 events at once, or 200 a second for long
//	first_frame       no byte within Config.FirstFrameTimeout
//	slow_frame        a frame not complete within Config.FrameTimeout
//	idle              no frame within Config.IdleTimeout
//	write             a write not taken within Config.WriteTimeout
package esl
