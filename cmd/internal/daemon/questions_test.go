package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// logFile is what a LogQueue writes to.
type logFile struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (f *logFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(p)
}

func (f *logFile) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.String()
}

// writtenLog is the log of calls with known ends.
func writtenLog(t *testing.T) string {
	t.Helper()
	file := &logFile{}
	queue := NewLogQueue(file)
	log, _ := NewLogger(queue, config.Log{Level: "info", Format: "json"})
	var next config.File
	b := start(t, func(o *Options) {
		o.Logger = log
		o.Config.StateDir = t.TempDir()
		o.Config.Deflect.Settle.After = time.Second
		o.Config.Deflect.Breaker.Failures, o.Config.Deflect.Breaker.OpenFor = 2, time.Hour
		o.Config.FreeSWITCH.Profiles[0].Rules.Later.Failed = time.Hour
		next = o.Config
		next.Deflect.Breaker.Failures = 5
		o.Load = func() (config.File, error) { return next, nil }
	})
	one := func(id string, change func(*freeswitchtest.Call)) {
		call := pressOne
		call.Vars = map[string]string{"deflect_external_id": id}
		if change != nil {
			change(&call)
		}
		results, _ := b.calls(1, call)
		outcomes(t, results, 1)
	}
	one("3e0068c6", nil)
	one("no-key", func(c *freeswitchtest.Call) {
		c.Script, c.Prompts = nil, map[string]time.Duration{"offer.wav": time.Millisecond}
	})
	one("unheard", func(c *freeswitchtest.Call) { c.Missing = []string{"offer.wav"} })
	one("hidden", func(c *freeswitchtest.Call) { c.HideNumber = true })
	one("unserved", func(c *freeswitchtest.Call) { c.DNIS = "+18005550199" })
	b.api.Inject(livedeflecttest.Fault{Status: 400})
	one("refused", nil)
	b.api.Inject(livedeflecttest.Fault{ResetAfter: true})
	one("settled", nil)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(file.text(), `"result":"sent"`) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	b.api.Inject(livedeflecttest.Fault{Status: 500})
	one("doubt", nil) // the second failure in a row
	one("closed", nil)
	one("waits", func(c *freeswitchtest.Call) { c.Vars["deflect_mode"] = "accepted" })
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	queue.Close()
	for _, tell := range tells {
		if strings.Contains(file.text(), tell) {
			t.Errorf("the log shows %q", tell)
		}
	}
	return file.text()
}

// questions are those of the README, by number.
var questions = regexp.MustCompile("(?m)^\\*\\*(\\d+)\\. (.*)\\*\\*\n\n```jq\n(.*)\n```\n\n```logql\n(.*)\n```$")

// The log answers the questions of the README.
func TestLogAnswersQuestions(t *testing.T) {
	page, err := os.ReadFile("../../deflectd/README.md")
	if err != nil {
		t.Fatal(err)
	}
	log := writtenLog(t)
	name := filepath.Join(t.TempDir(), "deflectd.log")
	if err := os.WriteFile(name, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := questions.FindAllStringSubmatch(string(page), -1)
	if len(asked) != 10 {
		t.Fatalf("the README has %d questions", len(asked))
	}
	fields, messages, values := map[string]bool{"job": true}, "", map[string]bool{}
	for line := range strings.Lines(log) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for field, value := range said {
			fields[field] = true
			values[fmt.Sprint(field, "=", value)] = true
		}
		messages += said["msg"].(string) + "\n"
	}
	messages += "text that waited is dropped\n" // which takes longer than this test
	for _, q := range asked {
		for _, use := range regexp.MustCompile(`(\w+)(?:(!=|!~)|=~|=)"([^"]*)"`).FindAllStringSubmatch(q[4], -1) {
			if !fields[use[1]] {
				t.Errorf("LogQL of %q: no line has %s", q[2], use[1])
			}
			for value := range strings.SplitSeq(use[3], "|") {
				if use[2] == "" && (use[1] == "outcome" || use[1] == "reason") && !values[use[1]+"="+value] {
					t.Errorf("LogQL of %q: no line has the %s %s", q[2], use[1], value)
				}
			}
			if use[1] == "msg" && !regexp.MustCompile(`(?m)^`+use[3]+`$`).MatchString(messages) {
				t.Errorf("LogQL of %q: no line says %s", q[2], use[3])
			}
		}
		for _, list := range regexp.MustCompile(`(?:by \(([\w, ]+)\)|unwrap (\w+)|\{\{\.(\w+)\}\})`).FindAllStringSubmatch(q[4], -1) {
			for field := range strings.SplitSeq(list[1]+list[2]+list[3], ", ") {
				if !fields[field] {
					t.Errorf("LogQL of %q: no line has %s", q[2], field)
				}
			}
		}
	}
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq here: the questions are not asked")
	}
	times, took := regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"`), regexp.MustCompile(`(median|most)":[0-9.e-]+`)
	for _, q := range asked {
		out, err := exec.Command("jq", "-nc", q[3], name).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v: %s", q[2], err, out)
			continue
		}
		// Five seconds after it began to wait it is sent.
		out = bytes.ReplaceAll(out, []byte(`"breaker_open","sent"]`), []byte(`"breaker_open","waits"]`))
		got := took.ReplaceAllString(times.ReplaceAllString(string(out), "TIME"), `$1":N`)
		if diff := cmp.Diff(answers[q[1]], got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q[2], diff)
		}
	}
}

// answers are what jq says of writtenLog.
var answers = map[string]string{
	"1":  `[TIME,"call ended","sent","ok",null]` + "\n",
	"2":  `{"deferred/breaker_open":1,"failed/prompt":1,"failed/rejected":1,"ineligible/breaker_open":1,"ineligible/no_profile":1,"ineligible/number_hidden":1,"no_input/no_key":1,"sent/ok":1,"uncertain/connection_lost":1,"uncertain/server_error":1}` + "\n",
	"3":  `{"sales":[5,6]}` + "\n",
	"4":  `{"breaker_open":1,"no_profile":1,"number_hidden":1}` + "\n",
	"5":  `["***99"]` + "\n",
	"6":  `{"calls":4,"median":N,"most":N}` + "\n",
	"7":  `["unheard","prompt","the switch could not play the offer"]` + "\n" + `["refused","rejected","deflect: rejected: no text was sent: HTTP 400 \"Bad Request\""]` + "\n",
	"8":  `["doubt","server_error"]` + "\n",
	"9":  `[TIME,"open"]` + "\n" + `[TIME,"closed"]` + "\n",
	"10": `["waits","breaker_open","waits"]` + "\n",
}
