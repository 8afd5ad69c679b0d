package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

//go:embed demo.yaml
var demoConfig []byte

// The keys of the demo. They open nothing.
const (
	demoConsumerSecret = "demo-consumer-secret"
	demoTokenSecret    = "demo-token-secret"
)

type demoCmd struct {
	Mode string `enum:"${modes}" default:"outbound" help:"Whether ${modes_listed}."`
	API  string `name:"api" enum:"livedeflect,c2m" default:"livedeflect" help:"Which API sends the texts: LiveDeflect (livedeflect), or Connect to Messaging (c2m)."`
}

// Help is shown below the usage.
func (demoCmd) Help() string {
	return `Starts deflectd's own code and an API that behaves like LivePerson's, and lets callers of a simulated
FreeSWITCH go through it: over real connections, with real signatures, all on this machine. Takes some seconds. Exit
code 1: a call did not end as it should.`
}

// scene is one caller of the demo.
type scene struct {
	title, lesson  string
	from           string
	press          bool
	fault          livedeflecttest.Fault
	optedOut       bool   // of texts, as Connect to Messaging knows
	converses      bool   // with the brand, as it knows
	outcome, cause string // what has to come of it
	texts          int    // how many of them the API sends
	transfer       string // where a waiting caller has to end, "" for the queue
}

// programme is what a demo shows.
type programme struct {
	mode    string
	when    string // in the words of the help
	title   string
	inbound bool // the callers wait in a queue
	c2m     bool // Connect to Messaging sends the texts
	scenes  []scene
	next    string // what to do now
}

var programmes = []programme{
	{
		mode: "outbound", when: "the dialplan hands calls over",
		title: "press 1 to text, the whole way", scenes: scenes,
		next: `dialplan/README.md has the XML for your own
FreeSWITCH, and 'deflectctl simulate --help' plays either side against your deflectd.`,
	},
	{
		mode: "inbound", when: "callers already wait in a queue",
		title: "callers who already wait in a queue", inbound: true, scenes: inboundScenes,
		next: `dialplan/README.md has the XML for mod_callcenter
and fifo; the switch goes into deflectd's configuration, under freeswitch.inbound.`,
	},
}

// c2mProgramme is what the demo of Connect to Messaging shows.
var c2mProgramme = programme{
	title: "press 1 to text, with Connect to Messaging", c2m: true, scenes: c2mScenes,
	next: `deflectctl simulate c2m plays it against your own
deflectd, and dialplan/README.md has the XML for your own FreeSWITCH.`,
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
		fault:   livedeflecttest.Fault{Status: 503, StatusAfterProcessing: true},
		outcome: "uncertain", cause: "server_error", texts: 1,
		lesson: "Nobody can tell whether that text went out, so it is not asked for a second time.\n   The caller waits in the queue.",
	},
}

var inboundScenes = []scene{
	{
		title: "A caller waits in a queue, and presses 1", from: "+14043438646", press: true,
		outcome: "sent", cause: "ok", texts: 1, transfer: "9999 XML public",
		lesson: "deflectd noticed the key from outside; the caller has left the queue with a text.",
	},
	{
		title: "Another one presses 1, and LiveDeflect refuses", from: "+14043438655", press: true,
		fault:   livedeflecttest.Fault{Status: 400, Body: `{"error":"no such skill"}`},
		outcome: "failed", cause: "rejected",
		lesson: "No text, and nothing lost: the caller waits on, at the same place in the queue.",
	},
}

const demoDialed = "+18005550100"

// The demo's prompts are short, and say this.
var (
	demoPrompts = map[string]time.Duration{
		"ivr/offer.wav": 900 * time.Millisecond, "ivr/sent.wav": 400 * time.Millisecond, "ivr/uncertain.wav": 400 * time.Millisecond,
		"ivr/failed.wav": 400 * time.Millisecond,
	}
	demoWords = map[string]string{
		"ivr/offer.wav":     "to get a text instead of waiting, press 1",
		"ivr/sent.wav":      "we have sent you a text",
		"ivr/uncertain.wav": "we may have sent you a text, please hold on",
		"ivr/failed.wav":    "we cannot text you now, please hold on",
	}
)

// Run plays the demo.
func (c demoCmd) Run(a *app) error {
	switch {
	case c.API == config.C2M && c.Mode != "outbound":
		return usage("--api c2m is shown with calls that the dialplan hands over: leave out --mode")
	case c.API == config.C2M:
		return c2mProgramme.play(a)
	}
	i := slices.IndexFunc(programmes, func(p programme) bool { return p.mode == c.Mode })
	return programmes[i].play(a)
}

func (p programme) play(a *app) (err error) {
	began := time.Now()
	s, err := openStage(a.ctx, p.inbound, p.c2m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	title, simulated := "ivrdeflect demo: "+p.title, "FreeSWITCH and LiveDeflect are simulated, deflectd is the real one. All of it runs"
	if p.c2m {
		simulated = "FreeSWITCH and Connect to Messaging (C2M) are simulated, deflectd is real. All runs"
	}
	fmt.Fprintf(a.stdout, `%s
%s
%s
on this machine, and no text reaches anybody.
`, title, strings.Repeat("=", len(title)), simulated)
	wrong := 0
	for i, sc := range p.scenes {
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
	tellReport := s.tellFunnel
	if p.c2m {
		tellReport = s.tellTransactions
	}
	surprises, err := tellReport(a.ctx, a.stdout, began, p.scenes)
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
	fmt.Fprintf(a.stdout, "\nAll as expected, in %.1fs. Next: %s\n", time.Since(began).Seconds(), p.next)
	return nil
}

// stage is the demo's deflectd and its neighbours.
type stage struct {
	config livedeflect.Config
	file   config.File
	api    *livedeflecttest.Server // nil where c2m sends the texts
	c2m    *c2mtest.Server
	queue  *freeswitchtest.Switch // nil unless callers wait
	daemon *daemon.Daemon
	log    *notebook
	stop   context.CancelFunc
	ended  chan error
}

func openStage(ctx context.Context, inbound, byC2M bool) (_ *stage, err error) {
	s := &stage{log: newNotebook(), ended: make(chan error, 1)}
	defer func() {
		if err != nil {
			s.closeNeighbours()
		}
	}()
	var file config.File
	if byC2M {
		if err := s.startC2M(); err != nil {
			return nil, err
		}
		file, err = readDemo(demoC2MConfig, s.c2m.URL())
	} else {
		if err := s.startLiveDeflect(); err != nil {
			return nil, err
		}
		file, err = readDemo(demoConfig, s.api.URL())
	}
	if err != nil {
		return nil, err
	}
	s.config, s.file = file.LiveDeflect, file
	if inbound {
		if err := s.openQueue(&file.FreeSWITCH); err != nil {
			return nil, err
		}
	}
	s.daemon, err = daemon.New(daemon.Options{Config: file, Logger: slog.New(s.log)})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	s.stop = stop
	go func() { s.ended <- s.daemon.Run(running) }()
	if !inbound {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := s.log.await(ctx, "watching switch"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) startLiveDeflect() error {
	s.api = livedeflecttest.New(livedeflecttest.Config{
		SiteID: "38856538", ConsumerKey: "demo-key", ConsumerSecret: demoConsumerSecret,
		Token: "demo-token", TokenSecret: demoTokenSecret,
		Report: livedeflecttest.Report{Conversation: func(d livedeflecttest.Deflection) (time.Duration, bool) {
			return 500 * time.Millisecond, "+"+d.DeflectionHandle == scenes[0].from // the first caller answers the text
		}},
	})
	return s.api.Start()
}

func (s *stage) close() error {
	s.stop()
	err := <-s.ended
	s.closeNeighbours()
	return err
}

func (s *stage) closeNeighbours() {
	if s.api != nil {
		s.api.Close()
	}
	if s.c2m != nil {
		s.c2m.Close()
	}
	if s.queue != nil {
		s.queue.Stop()
	}
}

// play lets one caller call, tells the story, and says what was not as it
// should be.
func (s *stage) play(ctx context.Context, w io.Writer, sc scene) (complaints []string, err error) {
	before, textsBefore := len(s.exchanges(sc.from)), s.texts()
	if sc.fault != (livedeflecttest.Fault{}) {
		s.api.Inject(sc.fault)
	}
	if sc.optedOut {
		s.c2m.OptOut(sc.from, true)
	}
	if sc.converses {
		s.c2m.OpenConversation(sc.from)
	}
	s.log.clear()
	began := time.Now()
	var seen sighting
	if s.queue != nil {
		seen, err = s.wait(ctx, sc)
	} else {
		seen, err = s.call(ctx, sc)
	}
	if err != nil {
		return nil, err
	}
	story := tell(began, sc, seen, s.exchanges(sc.from)[before:], s.log.records())
	fmt.Fprint(w, masker(sc.from, demoDialed).Replace(story))

	complain := func(ok bool, format string, args ...any) {
		if !ok {
			complaints = append(complaints, fmt.Sprintf(format, args...))
		}
	}
	outcome, cause := seen.vars["deflect_outcome"], seen.vars["deflect_reason"]
	complain(outcome == sc.outcome && cause == sc.cause,
		"the outcome is %s (%s), not %s (%s)", outcome, cause, sc.outcome, sc.cause)
	complain(seen.lost == "", "%s", seen.lost)
	complain(len(seen.violations) == 0, "FreeSWITCH refuses commands: %q", seen.violations)
	complain(s.texts()-textsBefore == sc.texts, "%d texts were sent, not %d", s.texts()-textsBefore, sc.texts)
	return complaints, nil
}

// sighting is what a switch has seen of a call.
type sighting struct {
	timeline   []freeswitchtest.Entry
	played     []freeswitchtest.Played
	vars       map[string]string
	violations []string
	stays      bool   // the caller is in the queue
	lost       string // why the caller is not where a caller has to be
}

// call lets the dialplan hand a call over.
func (s *stage) call(ctx context.Context, sc scene) (sighting, error) {
	call := demoCall(sc)
	call.SocketResume = true
	if sc.press {
		call.Script = []freeswitchtest.Action{freeswitchtest.Press("1").After(500 * time.Millisecond)}
	}
	r, err := call.Dial(ctx, s.daemon.Addr())
	seen := sighting{timeline: r.Timeline, played: r.Played, vars: r.Vars, violations: r.Violations}
	if !r.Continued || r.Lost {
		seen.lost = "the caller did not get back to the dialplan"
	}
	return seen, err
}

func demoCall(sc scene) freeswitchtest.Call {
	return freeswitchtest.Call{
		ANI: sc.from, DNIS: demoDialed, Prompts: demoPrompts,
		Vars: map[string]string{"deflect_digits": "42", "deflect_info_menu": "sales"},
	}
}
