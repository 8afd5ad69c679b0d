package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

//go:embed demo.yaml
var demoConfig []byte

// The keys of the demo. They open nothing.
const (
	demoConsumerSecret = "demo-consumer-secret"
	demoTokenSecret    = "demo-token-secret"
)

type demoCmd struct{}

// Help is shown below the usage.
func (demoCmd) Help() string {
	return `Starts deflectd's own code and a LiveDeflect that behaves like the real one, and lets a simulated FreeSWITCH make
three calls: over real connections, with real signatures, all on this machine. Takes some seconds. Exit code 1: a call
did not end as it should.`
}

// scene is one caller of the demo.
type scene struct {
	title, lesson  string
	from           string
	press          bool
	fault          deflecttest.Fault
	outcome, cause string // what has to come of it
	texts          int    // how many of them the API sends
}

var scenes = []scene{
	{
		title: "A caller presses 1", from: "+14043438646", press: true,
		outcome: "sent", cause: "ok", texts: 1,
		lesson: "The text is on its way; the agent will see the 42 that the caller keyed in before.",
	},
	{
		title: "A caller presses nothing", from: "+14043438655",
		outcome: "no_input", cause: "no_key",
		lesson: "LiveDeflect was not asked for anything. The caller waits in the queue, as ever.",
	},
	{
		title: "A caller presses 1 while LiveDeflect is broken", from: "+14043438677", press: true,
		// An answer that got lost on its way: the text went out.
		fault:   deflecttest.Fault{Status: 503, StatusAfterProcessing: true},
		outcome: "uncertain", cause: "server_error", texts: 1,
		lesson: "Nobody can tell whether that text went out, so it is not asked for a second time.\n   The caller waits in the queue.",
	},
}

const demoDialed = "+18005550100"

// The demo's prompts are short, and say this.
var (
	demoPrompts = map[string]time.Duration{
		"ivr/offer.wav": 900 * time.Millisecond, "ivr/sent.wav": 400 * time.Millisecond, "ivr/uncertain.wav": 400 * time.Millisecond,
	}
	demoWords = map[string]string{
		"ivr/offer.wav":     "to get a text instead of waiting, press 1",
		"ivr/sent.wav":      "we have sent you a text",
		"ivr/uncertain.wav": "we may have sent you a text, please hold on",
	}
)

// Run plays the demo.
func (demoCmd) Run(a *app) error { return playScenes(a, scenes) }

func playScenes(a *app, scenes []scene) (err error) {
	began := time.Now()
	s, err := openStage(a.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	fmt.Fprintf(a.stdout, `ivrdeflect demo: press 1 to text, the whole way
================================================
FreeSWITCH and LiveDeflect are simulated, deflectd is the real one. All of it runs
on this machine, and no text reaches anybody.
`)
	wrong := 0
	for i, sc := range scenes {
		fmt.Fprintf(a.stdout, "\n%d. %s\n\n", i+1, sc.title)
		complaints, err := s.play(a.ctx, a.stdout, sc)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "\n   %s\n", sc.lesson)
		for _, c := range complaints {
			fmt.Fprintln(a.stdout, "   NOT AS EXPECTED:", c)
			wrong++
		}
	}
	surprises, err := s.tellFunnel(a.ctx, a.stdout, began, scenes)
	if err != nil {
		return err
	}
	for _, c := range surprises {
		fmt.Fprintln(a.stdout, "   NOT AS EXPECTED:", c)
		wrong++
	}
	fmt.Fprint(a.stdout, "\nWhat Prometheus scrapes from deflectd's /metrics now\n\n")
	if err := s.showMetrics(a.ctx, a.stdout); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("the demo did not go as it should: %d surprises, marked above", wrong)
	}
	fmt.Fprintf(a.stdout, `
All three as expected, in %.1fs. Next: dialplan/README.md has the XML for your own
FreeSWITCH, and 'deflectctl simulate --help' plays either side against your deflectd.
`, time.Since(began).Seconds())
	return nil
}

// stage is the demo's deflectd and its neighbours.
type stage struct {
	config deflect.Config
	api    *deflecttest.Server
	daemon *daemon.Daemon
	log    *notebook
	stop   context.CancelFunc
	ended  chan error
}

func openStage(ctx context.Context) (*stage, error) {
	file, err := config.Parse("demo.yaml", demoConfig, func(name string) string {
		return map[string]string{
			"DEFLECT_CONSUMER_SECRET": demoConsumerSecret, "DEFLECT_TOKEN_SECRET": demoTokenSecret,
		}[name]
	})
	if err != nil {
		return nil, err
	}
	s := &stage{log: newNotebook(), ended: make(chan error, 1)}
	s.api = deflecttest.New(deflecttest.Config{
		SiteID: file.Deflect.SiteID, ConsumerKey: "demo-key", ConsumerSecret: demoConsumerSecret,
		Token: "demo-token", TokenSecret: demoTokenSecret,
		Report: deflecttest.Report{Conversation: func(d deflecttest.Deflection) (time.Duration, bool) {
			return 500 * time.Millisecond, "+"+d.DeflectionHandle == scenes[0].from // the first caller answers the text
		}},
	})
	if err := s.api.Start(); err != nil {
		return nil, err
	}
	file.Deflect.BaseURL = s.api.URL()
	s.config = file.Deflect
	s.daemon, err = daemon.New(daemon.Options{Config: file, Logger: slog.New(s.log)})
	if err != nil {
		s.api.Close()
		return nil, err
	}
	ctx, s.stop = context.WithCancel(ctx)
	go func() { s.ended <- s.daemon.Run(ctx) }()
	return s, nil
}

func (s *stage) close() error {
	s.stop()
	err := <-s.ended
	s.api.Close()
	return err
}

// play lets one caller call, tells the story, and says what was not as it
// should be.
func (s *stage) play(ctx context.Context, w io.Writer, sc scene) (complaints []string, err error) {
	before, textsBefore := len(s.api.Requests()), len(s.api.Sent())
	if sc.fault != (deflecttest.Fault{}) {
		s.api.Inject(sc.fault)
	}
	s.log.clear()
	call := freeswitchtest.Call{
		ANI: sc.from, DNIS: demoDialed, SocketResume: true, Prompts: demoPrompts,
		Vars: map[string]string{"deflect_digits": "42", "deflect_info_menu": "sales"},
	}
	if sc.press {
		call.Script = []freeswitchtest.Action{freeswitchtest.Press("1").After(500 * time.Millisecond)}
	}
	began := time.Now()
	r, err := call.Dial(ctx, s.daemon.Addr())
	if err != nil {
		return nil, err
	}
	story := tell(began, sc, r, s.api.Requests()[before:], s.log.records())
	fmt.Fprint(w, masker(sc.from, demoDialed).Replace(story))

	complain := func(ok bool, format string, args ...any) {
		if !ok {
			complaints = append(complaints, fmt.Sprintf(format, args...))
		}
	}
	outcome, cause := r.Vars["deflect_outcome"], r.Vars["deflect_reason"]
	complain(outcome == sc.outcome && cause == sc.cause,
		"the outcome is %s (%s), not %s (%s)", outcome, cause, sc.outcome, sc.cause)
	complain(r.Continued && !r.Lost, "the caller did not get back to the dialplan")
	complain(len(r.Violations) == 0, "FreeSWITCH refuses commands: %q", r.Violations)
	complain(len(s.api.Sent())-textsBefore == sc.texts, "%d texts were sent, not %d", len(s.api.Sent())-textsBefore, sc.texts)
	return complaints, nil
}
