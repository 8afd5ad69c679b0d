package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
		o.Config.Deflect.Settle.After, o.Config.Deflect.Settle.Limit = time.Second, 2*time.Second
		o.Config.Deflect.Breaker.Failures, o.Config.Deflect.Breaker.OpenFor = 2, time.Hour
		o.Config.FreeSWITCH.Profiles[0].Rules.Later.Failed = time.Hour
		next = o.Config
		next.Deflect.Breaker.Failures = 5
		o.Load = func() (config.File, error) { return next, nil }
	})
	one := func(id string, change func(*freeswitchtest.Call)) {
		call := pressOne
		call.Vars = map[string]string{"deflect_external_id": id}
		call.Length = func(file, _ string) time.Duration {
			if file == "offer.wav" && call.Script != nil {
				return time.Minute
			}
			return time.Millisecond
		}
		if change != nil {
			change(&call)
		}
		results, _ := b.calls(1, call)
		outcomes(t, results, 1)
	}
	accepted := func(c *freeswitchtest.Call) { c.Vars["deflect_mode"] = "accepted" }
	said := func(words string) {
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(file.text(), words) && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	one("well", nil)
	one("no-key", func(c *freeswitchtest.Call) { c.Script = nil })
	one("unheard", func(c *freeswitchtest.Call) { c.Missing = []string{"offer.wav"} })
	one("hidden", func(c *freeswitchtest.Call) { c.HideNumber = true })
	one("unserved", func(c *freeswitchtest.Call) { c.DNIS = "+18005550199" })
	b.api.Inject(livedeflecttest.Fault{Status: 500})
	one("3e0068c6", nil)
	b.api.Inject(livedeflecttest.Fault{Status: 400})
	one("refused", nil)
	b.api.Inject(livedeflecttest.Fault{ResetAfter: true})
	one("settled", nil)
	said(`"result":"sent"`)
	said(`"result":"not_sent"`)
	b.api.SetReportFault(&livedeflecttest.Fault{Status: 503})
	b.api.Inject(livedeflecttest.Fault{Status: 500})
	one("doubt", nil) // the second failure in a row
	one("closed", nil)
	one("promised", accepted)
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	b.api.Inject(livedeflecttest.Fault{ResetAfter: true})
	said("text that waited may have been sent") // five seconds after it began to wait
	b.api.Inject(livedeflecttest.Fault{Status: 429, RetryAfter: "1800"})
	one("waits", nil)
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

// The log answers the questions of the README, in both languages.
func TestLogAnswersQuestions(t *testing.T) {
	page, err := os.ReadFile("../../deflectd/README.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := questions.FindAllStringSubmatch(string(page), -1)
	if len(asked) != len(answers) {
		t.Fatalf("the README has %d questions", len(asked))
	}
	name := filepath.Join(t.TempDir(), "deflectd.log")
	if err := os.WriteFile(name, []byte(writtenLog(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, language := range []struct {
		name    string
		command []string
		query   int // its place in the match
		want    map[string]string
	}{
		{"jq", []string{"jq", "-nc"}, 3, answers},
		{"LogQL", []string{"logql"}, 4, otherAnswers},
	} {
		t.Run(language.name, func(t *testing.T) {
			if _, err := exec.LookPath(language.command[0]); err != nil {
				t.Skipf("no %s here: the questions are not asked", language.command[0])
			}
			for _, q := range asked {
				out, err := exec.Command(language.command[0], append(language.command[1:], q[language.query], name)...).CombinedOutput()
				if err != nil {
					t.Errorf("%q: %v: %s", q[2], err, out)
					continue
				}
				want, ok := language.want[q[1]]
				if !ok {
					want = answers[q[1]]
				}
				got := plain(t, string(out))
				if q[1] == "6" {
					got = fractions.ReplaceAllString(got, "N")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%q (-want +got):\n%s", q[2], diff)
				}
			}
		})
	}
}

var (
	timeOf    = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
	fractions = regexp.MustCompile(`\d+\.\d+(e-\d+)?`)
)

// plain is an answer as sorted lines of words: in jq's lists, without times, and in what
// Loki shows beside a time.
func plain(t *testing.T, out string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "[") {
			var list []*string
			if err := json.Unmarshal([]byte(line), &list); err != nil {
				t.Errorf("%v in %s", err, line)
			}
			words = nil
			for _, word := range list {
				if word != nil && !timeOf.MatchString(*word) {
					words = append(words, *word)
				}
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// answers are what writtenLog says, by question.
var answers = map[string]string{
	"1": `call ended uncertain server_error deflect: server_error: a text may have been sent, do not send again: HTTP 500 "Internal Server Error"
uncertain text settled not_sent`,
	"2": `{"deferred/breaker_open":1,"deferred/rate_limited":1,"failed/prompt":1,"failed/rejected":1,"ineligible/breaker_open":1,"ineligible/no_profile":1,"ineligible/number_hidden":1,"no_input/no_key":1,"sent/ok":1,"uncertain/connection_lost":1,"uncertain/server_error":2}`,
	"3": `{"sales":[7,8]}`,
	"4": `{"/no_profile":1,"sales/breaker_open":1,"sales/number_hidden":1}`,
	"5": `{"***99":1}`,
	"6": `{"calls":6,"median":N,"most":N}`,
	"7": `3e0068c6 not_sent
refused rejected deflect: rejected: no text was sent: HTTP 400 "Bad Request"
unheard prompt the switch could not play the offer`,
	"8": `doubt server_error
promised connection_lost`,
	"9": `closed
open`,
	"10": `promised breaker_open uncertain
waits rate_limited waits`,
}

// otherAnswers are those of Loki that differ, for it joins no lines, and divides numbers.
var otherAnswers = map[string]string{
	"3": `{"sales":0.875}`,
	"6": `{"sales":N}`,
	"8": `3e0068c6 call ended server_error
3e0068c6 uncertain text settled not_sent
doubt call ended server_error
promised text that waited may have been sent connection_lost
settled call ended connection_lost
settled uncertain text settled sent`,
	"10": `promised call ended deferred
promised text that waited may have been sent uncertain
waits call ended deferred`,
}
