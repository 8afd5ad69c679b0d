// Package esl is our side of FreeSWITCH's outbound event socket: the switch
// dials us when a call reaches the socket application, we send commands, and
// it sends replies and events. The port has no authentication, so the package
// takes whoever dials for a stranger: every frame has limits, every wait has an
// end, and nothing a peer sends can make us write more than one command.
//
//	func offer(ctx context.Context, nc net.Conn) error {
//		conn := esl.NewConn(nc, esl.Config{})
//		defer conn.Close()
//		replies, err := conn.Do(ctx, esl.Connect(), esl.Linger(5), esl.MyEvents(),
//			esl.Filter("Event-Name", "DTMF"))
//		if err != nil {
//			return err
//		}
//		fmt.Println("called:", replies[0].Event().Get("Caller-Destination-Number"))
//		if err := conn.Post(esl.Execute("offer-1", "playback", "ivr/offer.wav")); err != nil {
//			return err
//		}
//		for e := range conn.Events() {
//			if e.Name() == "DTMF" {
//				fmt.Println("pressed:", e.Get("DTMF-Digit"))
//				_, err := conn.Do(ctx, esl.Resume(), esl.Exit())
//				return err
//			}
//		}
//		return conn.Err()
//	}
//
// Commands go out in batches, one write each. The switch answers them in
// order, and so a reply is matched by its place alone: whoever gives up
// waiting leaves the place behind, and the late reply is thrown away. Events
// come through a channel of limited size. A receiver that is too slow for it
// loses the connection, never single events. Whoever would rather wait in one
// place alone uses Post, after which the channel's data and refusals come as
// events too.
//
// # Concurrency
//
// A Conn is safe for concurrent use, as are the values it returns. It starts
// one goroutine, which ends with the connection and for which Close waits. It
// calls no code of the caller. A Decoder is not safe for concurrent use.
//
// # Errors
//
// A command that the switch refuses is a Reply that is not OK, or after Post an
// event named CommandError, and no error. A command that must not be written is
// an error that wraps ErrUnsafe; nothing of its batch is written, and the
// connection goes on. Everything else ends the connection, and Err says why:
// io.EOF (the peer closed it between two frames), net.ErrClosed (we did), the
// network's own error, or a *ProtocolError of one of these kinds:
//
//	content_type      a frame without a content type, or with an unknown one
//	content_length    a Content-Length that is no number, or two different ones
//	header_size       a header with more bytes than Limits.HeaderBytes
//	header_lines      a header with more lines than Limits.HeaderLines
//	body_size         a Content-Length above Limits.BodyBytes
//	malformed         a header line without a name, a NUL in a header, a frame
//	                  without headers, an event that cannot be read or that
//	                  has no name or one of ours
//	reply             a reply that begins neither with +OK nor with -ERR
//	unexpected_reply  a reply to nothing
//	unexpected        a frame that the switch sends only when it is asked to:
//	                  an auth request, a rejection, a JSON or XML event
//	event_queue       more events than Config.EventQueue were waiting
//	first_frame       no byte within Config.FirstFrameTimeout
//	slow_frame        a frame not complete within Config.FrameTimeout
//	idle              no frame within Config.IdleTimeout
//	write             a write not taken within Config.WriteTimeout, or taken
//	                  in part when the context ended
package esl
