package doctor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const (
	password = "opensesame-switch"
	offer    = `<extension name="deflect_offer"><condition field="destination_number" expression="^\+?18005550100$">
<action application="set" data="socket_resume=true"></action>
<action application="sched_transfer" data="+90 deflect_stuck"></action>
<action application="socket" data="%s async full"></action>
</condition></extension>
<extension name="deflect_stuck"><condition field="destination_number" expression="^deflect_stuck$"/><condition field="transfer_source" expression="."/></extension>`
)

// rig is a machine on which all is well: both doubles, and a configuration with its secrets.
type rig struct {
	t       *testing.T
	api     *livedeflecttest.Server
	c2m     *c2mtest.Server // nil where LiveDeflect is spoken
	sw      *freeswitchtest.Switch
	dir     string
	prefix  string // sound_prefix of the switch
	calls   string // freeswitch.outbound.listen
	web     string // http.listen
	env     map[string]string
	url     string // of the API
	answer  string // of serve
	refused int    // passwords
	o       doctor.Options
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), prefix: t.TempDir(), calls: freeAddr(t), web: freeAddr(t), env: map[string]string{}}
	r.api = livedeflecttest.RunT(t, livedeflecttest.Config{
		SiteID: "38856538", ConsumerKey: "appkey", ConsumerSecret: "opensesame-consumer", Token: "apptoken", TokenSecret: "opensesame-token",
	})
	r.sw = &freeswitchtest.Switch{
		Password: password, Modules: []string{"mod_say_en"}, Globals: map[string]string{"sound_prefix": r.prefix},
		Settings: map[string]string{"apply-inbound-acl": "loopback.auto"},
		Contexts: map[string]string{"public": fmt.Sprintf(offer, r.calls)},
	}
	r.url = r.api.URL()
	if err := r.sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.sw.Stop)
	r.sounds("ivrdeflect")
	for digit := range 10 {
		r.write(filepath.Join(r.prefix, "digits/8000", fmt.Sprint(digit)+".wav"), "")
	}
	r.write(filepath.Join(r.dir, "consumer"), "opensesame-consumer")
	r.write(filepath.Join(r.dir, "token"), "opensesame-token")
	r.write(filepath.Join(r.dir, "fs1"), password)
	r.write(r.config(), fmt.Sprintf(`livedeflect:
  site_id: "38856538"
  base_url: %s
  consumer_key: appkey
  consumer_secret_file: consumer
  token: apptoken
  token_secret_file: token
state: {dir: state}
http: {listen: "%s"}
freeswitch:
  outbound: {listen: "%s", allow: [127.0.0.0/8]}
  inbound:
    - {name: fs1, address: "%s", password_file: fs1}
profiles:
  - name: sales
    dialed: ["+18005550100"]
    skill: sales
    number: ask
`, r.api.URL(), r.web, r.calls, r.sw.Addr()))
	r.o = doctor.Options{
		Config: r.config(), Getenv: func(name string) string { return r.env[name] },
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		Room: func(string) (uint64, doctor.Kind, error) { return 50 << 30, doctor.OnDisk, nil },
	}
	return r
}

// newC2MRig is a rig on which Connect to Messaging is spoken, whose double has all hosts.
func newC2MRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.c2m = c2mtest.RunT(t, c2mtest.Config{Account: "38856538", ClientID: "CLIENT", ClientSecret: "opensesame-client"})
	r.write(filepath.Join(r.dir, "client"), "opensesame-client")
	text, err := os.ReadFile(r.config())
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "state: ")
	r.write(r.config(), fmt.Sprintf("c2m:\n  account: \"38856538\"\n  client_id: CLIENT\n  client_secret_file: client\n  handoff_id: H123456789\n  domain_url: %s\nstate: %s", r.c2m.URL(), rest))
	return r
}

// freeAddr is one that no system gives to those who do not care.
func freeAddr(t *testing.T) string {
	t.Helper()
	taken.Lock()
	defer taken.Unlock()
	for port := 10_000 + os.Getpid()%5_000; port < 30_000; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if taken.m[addr] {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			taken.m[addr] = true
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

var taken = struct {
	sync.Mutex
	m map[string]bool
}{m: map[string]bool{}}

func (r *rig) config() string { return filepath.Join(r.dir, "deflectd.yaml") }

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// sounds puts the shipped prompts where the switch finds them.
func (r *rig) sounds(folder string) {
	r.t.Helper()
	if err := os.CopyFS(filepath.Join(r.prefix, folder), os.DirFS("../../../dialplan/sounds")); err != nil {
		r.t.Fatal(err)
	}
}

// edit changes the configuration.
func (r *rig) edit(old, now string) {
	r.t.Helper()
	text, err := os.ReadFile(r.config())
	if err != nil || !strings.Contains(string(text), old) {
		r.t.Fatalf("the configuration holds no %q: %v\n%s", old, err, text)
	}
	r.write(r.config(), strings.Replace(string(text), old, now, 1))
}

// change makes another switch of the switch, which is started anew.
func (r *rig) change(how func(*freeswitchtest.Switch)) {
	r.t.Helper()
	r.sw.Stop()
	how(r.sw)
	if err := r.sw.Start(); err != nil {
		r.t.Fatal(err)
	}
}

var tells = []string{password, "opensesame", "8005550100"}

// examine returns the findings of one check.
func (r *rig) examine(check string) (of []doctor.Finding) {
	r.t.Helper()
	for _, f := range doctor.Examine(r.t.Context(), r.o) {
		if f.Level != doctor.Good && f.Do == "" {
			r.t.Errorf("%s does not say what to do: %s", f.Check, f.Text)
		}
		for _, tell := range tells {
			if strings.Contains(f.Text+f.Do, tell) {
				r.t.Errorf("%s shows %q: %s; %s", f.Check, tell, f.Text, f.Do)
			}
		}
		if f.Check == check {
			of = append(of, f)
		}
	}
	if r.c2m != nil && len(r.c2m.Invites())+len(r.c2m.Eligibilities()) > 0 {
		r.t.Error("Connect to Messaging was asked about a caller")
	}
	if sent := r.api.Sent(); len(sent) > 0 {
		r.t.Errorf("a text was sent: %+v", sent)
	}
	wrong := slices.DeleteFunc(r.sw.Violations(), func(v string) bool { return v == `refused with -ERR invalid: "auth ***"` })
	if refused := len(r.sw.Violations()) - len(wrong) - r.refused; refused > 1 {
		r.t.Errorf("%d passwords were tried", refused)
	}
	r.refused = len(r.sw.Violations()) - len(wrong)
	if len(wrong) > 0 {
		r.t.Errorf("the switch was told what it should not be: %q", wrong)
	}
	return of
}

// want looks for a finding, and returns what it says is to be done.
func (r *rig) want(check string, level doctor.Level, text string) (do string) {
	r.t.Helper()
	found := r.examine(check)
	for _, f := range found {
		if f.Level == level && strings.Contains(f.Text, text) {
			return f.Do
		}
	}
	r.t.Fatalf("%s is not %s with %q: %+v", check, level, text, found)
	return ""
}

// well wants a check to find nothing.
func (r *rig) well(check string) {
	r.t.Helper()
	for _, f := range r.examine(check) {
		if f.Level != doctor.Good {
			r.t.Errorf("%s is %s: %s -> %s", f.Check, f.Level, f.Text, f.Do)
		}
	}
}

var fsCommand = regexp.MustCompile(`fs_cli -x '([^']+)'|fs_cli -x (\w+)`)

// asTold does what a switch's remedy has fs_cli do.
func (r *rig) asTold(do string) {
	r.t.Helper()
	found := fsCommand.FindAllStringSubmatch(do, -1)
	if found == nil {
		r.t.Fatalf("no command of fs_cli in %q", do)
	}
	for _, m := range found {
		words := strings.Fields(m[1] + m[2])
		r.change(func(sw *freeswitchtest.Switch) {
			switch {
			case words[0] == "global_setvar" && strings.HasSuffix(words[1], "="):
				delete(sw.Globals, strings.TrimSuffix(words[1], "="))
			case words[0] == "load":
				sw.Modules = append(sw.Modules, words[1])
			case words[0] == "reloadxml", words[0] == "reload":
			default:
				r.t.Fatalf("%q is no command of fs_cli that the double knows", words)
			}
		})
	}
}

// shell runs the command that a remedy gives behind some words, in the root of the project.
func (r *rig) shell(do, behind string) {
	r.t.Helper()
	_, command, ok := strings.Cut(do, behind)
	if !ok {
		r.t.Fatalf("no %q in %q", behind, do)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func (r *rig) has(do, what string) {
	r.t.Helper()
	if !strings.Contains(do, what) {
		r.t.Fatalf("it does not say %q: %s", what, do)
	}
}

func (r *rig) dialplan(extensions string) {
	r.t.Helper()
	r.change(func(sw *freeswitchtest.Switch) { sw.Contexts = map[string]string{"public": extensions + "<!-- -->"} })
}

// shipped puts deflect_offer.xml into the dialplan, as FreeSWITCH does: before what is there,
// without what its preprocessor takes out.
func (r *rig) shipped() {
	r.t.Helper()
	text, err := os.ReadFile("../../../dialplan/deflect_offer.xml")
	if err != nil {
		r.t.Fatal(err)
	}
	plan := regexp.MustCompile(`(?s)<!--.*?-->|<X-PRE-PROCESS[^>]*>|</?include>`).ReplaceAllString(string(text), "")
	plan = strings.NewReplacer("$${deflect_number_pattern}", `^\+?18005550100$`, "$${deflect_daemons}", r.calls,
		"$${deflect_longest}", "90", "$${deflect_queue}", "8000 XML public").Replace(plan)
	before := r.sw.Contexts["public"]
	r.dialplan(plan + `<extension name="wait"><condition field="destination_number" expression="^8\d{3}$"><action application="park"/></condition></extension>` + before)
}

// listen is another program on a port.
func (r *rig) listen(addr string) {
	r.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
}

// serve is another program that speaks HTTP.
func (r *rig) serve(addr, answer string) {
	r.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.answer = answer
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(r.answer))
	})}}
	srv.Start()
	r.t.Cleanup(srv.Close)
}

var quiet = log.New(io.Discard, "", 0)

// answers puts another program where the API was.
func (r *rig) answers(with http.HandlerFunc) {
	r.t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	done := make(chan struct{})
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		with(w, req.WithContext(context.WithValue(req.Context(), ended{}, done)))
	})
	srv.Start()
	r.t.Cleanup(srv.Close)
	r.t.Cleanup(func() { close(done) })
	r.edit(r.url, srv.URL)
}

type ended struct{}
