package doctor_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
)

// On a machine where all is well, each check says so, in one line.
func TestAllIsWell(t *testing.T) {
	r := newRig(t)
	var got []string
	for _, f := range doctor.Examine(t.Context(), r.o) {
		got = append(got, f.Check+" "+f.Level.String())
		if f.Level != doctor.Good && f.Check != "certificate" {
			t.Errorf("%+v", f)
		}
	}
	want := []string{
		"configuration good", "secrets good", "names good", "api good", "certificate skipped", "clock good", "credentials good", "ports good", "running good",
		"allow good", "files good", "state good", "disk good", "redis good", "switch good", "event socket good", "dialplan good", "prompts good",
		"say good", "keys good",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// cures are what is broken for each check, what it says then, and what its own line says is
// to be done. After that it is well.
var cures = []struct {
	name, check string
	level       doctor.Level
	text        string
	spoil       func(*rig)
	mend        func(r *rig, do string)
}{
	{"a key that does not exist", "configuration", doctor.Bad, `profiles[0].skil: is not a known key`,
		func(r *rig) { r.edit("skill: sales", "skil: sales") },
		func(r *rig, do string) { r.edit("skil: sales", "skill: sales") }},
	{"a file that is not there", "configuration", doctor.Bad, "cannot be read",
		func(r *rig) { must(r.t, os.Rename(r.config(), r.config()+".old")) },
		func(r *rig, do string) {
			r.has(do, "correct the name")
			must(r.t, os.Rename(r.config()+".old", r.config()))
		}},
	{"no secret", "secrets", doctor.Bad, "livedeflect.consumer_secret_file: is missing",
		func(r *rig) { r.edit("  consumer_secret_file: consumer\n", "") },
		func(r *rig, do string) {
			r.has(do, "set DEFLECT_CONSUMER_SECRET")
			r.env["DEFLECT_CONSUMER_SECRET"] = "opensesame-consumer"
		}},
	{"a secret that is not there", "secrets", doctor.Bad, "livedeflect.token_secret_file: cannot be read: no such file",
		func(r *rig) { r.edit("token_secret_file: token", "token_secret_file: elsewhere") },
		func(r *rig, do string) {
			r.has(do, "make the file")
			r.write(filepath.Join(r.dir, "elsewhere"), "opensesame-token")
		}},
	{"a secret for all", "secrets", doctor.Warning, "livedeflect.token_secret_file: can be read by every user of this machine",
		func(r *rig) { must(r.t, os.Chmod(filepath.Join(r.dir, "token"), 0o644)) },
		func(r *rig, do string) {
			r.has(do, "chmod o-rwx it")
			must(r.t, os.Chmod(filepath.Join(r.dir, "token"), 0o640))
		}},
	{"a name that nobody knows", "names", doctor.Bad, "fs1.example is not found: no such host",
		func(r *rig) { r.edit(r.sw.Addr(), "fs1.example:8021") },
		func(r *rig, do string) {
			r.has(do, "let this machine find it")
			r.o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
		}},
	{"a name server that is slow", "names", doctor.Warning, "looking up fs1.example took 1.1s",
		func(r *rig) {
			r.edit(r.sw.Addr(), "fs1.example:8021")
			r.o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				time.Sleep(1100 * time.Millisecond)
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
		},
		func(r *rig, do string) {
			r.has(do, "/etc/resolv.conf")
			r.o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
		}},
	{"nobody at the API", "api", doctor.Bad, "does not answer",
		func(r *rig) { r.api.Close() },
		func(r *rig, do string) {
			r.has(do, "deflectctl simulate livedeflect")
			text, _ := os.ReadFile(r.config())
			_, addr, _ := strings.Cut(string(text), "base_url: http://")
			addr, _, _ = strings.Cut(addr, "\n")
			must(r.t, r.api.StartAddr(addr))
		}},
	{"a clock that is wrong", "clock", doctor.Bad, "behind the API's: it may refuse every request",
		func(r *rig) { r.api.SetClock(10 * time.Minute) },
		func(r *rig, do string) { r.has(do, "timedatectl set-ntp true"); r.api.SetClock(0) }},
	{"a clock that is a bit wrong", "clock", doctor.Warning, "ahead of the API's",
		func(r *rig) { r.api.SetClock(-20 * time.Second) },
		func(r *rig, do string) { r.has(do, "timedatectl set-ntp true"); r.api.SetClock(0) }},
	{"another secret", "credentials", doctor.Bad, "the API refuses these keys (HTTP 401",
		func(r *rig) { r.write(filepath.Join(r.dir, "token"), "opensesame-other") },
		func(r *rig, do string) {
			r.has(do, "the secrets in their files")
			r.write(filepath.Join(r.dir, "token"), "opensesame-token")
		}},
	{"another account", "credentials", doctor.Bad, "takes the signature, and refuses the request",
		func(r *rig) { r.edit("38856538", "38856539") },
		func(r *rig, do string) { r.has(do, "correct livedeflect.site_id"); r.edit("38856539", "38856538") }},
	{"a port that is taken", "ports", doctor.Bad, "is taken, and no deflectd answers at http.listen",
		func(r *rig) { r.listen(r.calls) },
		func(r *rig, do string) {
			r.has(do, "set freeswitch.outbound.listen to another port")
			r.edit(r.calls, freeAddr(r.t))
		}},
	{"another program on the port of HTTP", "ports", doctor.Bad, "what answers there is another program",
		func(r *rig) { r.serve(r.web, "<html>") },
		func(r *rig, do string) {
			r.has(do, "or set http.listen to another port")
			r.edit(r.web, freeAddr(r.t))
		}},
	{"an address of another machine", "ports", doctor.Bad, "(http.listen) is no address of this machine",
		func(r *rig) { r.edit(r.web, "192.0.2.1:9180") },
		func(r *rig, do string) {
			r.has(do, "set http.listen to one that it has")
			r.edit("192.0.2.1:9180", r.web)
		}},
	{"a deflectd with another configuration", "ports", doctor.Bad, "deflectd v1.2.3 runs, and does not listen on",
		func(r *rig) { r.serve(r.web, metrics) },
		func(r *rig, do string) { r.has(do, "Restart it with "+r.config()); r.listen(r.calls) }},
	{"a switch that may not", "allow", doctor.Bad, "switch fs1 (127.0.0.1) may not hand calls over",
		func(r *rig) { r.edit("127.0.0.0/8", "10.0.0.0/8") },
		func(r *rig, do string) {
			r.has(do, "add 127.0.0.1/32 to freeswitch.outbound.allow")
			r.edit("10.0.0.0/8", "10.0.0.0/8, 127.0.0.1/32")
		}},
	{"a switch on another machine", "allow", doctor.Bad, "switch fs1 is another machine (240.0.0.7)",
		func(r *rig) { r.edit(r.sw.Addr(), "240.0.0.7:8021") },
		func(r *rig, do string) {
			r.has(do, "put 240.0.0.7/32 on freeswitch.outbound.allow")
			_, port, _ := net.SplitHostPort(r.calls)
			r.edit(`listen: "`+r.calls+`", allow: [127.0.0.0/8`, `listen: "0.0.0.0:`+port+`", allow: [240.0.0.7/32`)
		}},
	{"a switch of this machine that comes from another address", "allow", doctor.Bad, "switch fs1 (192.0.2.1) may not hand calls over",
		func(r *rig) { r.edit(`listen: "`+r.calls, `listen: "192.0.2.1:8084`) },
		func(r *rig, do string) {
			r.has(do, "add 192.0.2.1/32 to freeswitch.outbound.allow")
			r.edit("127.0.0.0/8", "127.0.0.0/8, 192.0.2.1/32")
		}},
	{"everybody may", "allow", doctor.Warning, "everybody may hand calls over: 0.0.0.0/0 is all addresses",
		func(r *rig) { r.edit("127.0.0.0/8", "0.0.0.0/0") },
		func(r *rig, do string) {
			r.has(do, "name the addresses of your switches alone")
			r.edit("0.0.0.0/0", "127.0.0.1/32")
		}},
	{"a configuration that was refused", "running", doctor.Warning, "deflectd v1.2.3 refused its configuration when that was reloaded last",
		func(r *rig) { r.serve(r.web, metrics+"deflectd_config_last_reload_successful 0\n") },
		func(r *rig, do string) {
			r.has(do, "systemctl reload deflectd")
			r.answer = metrics + "deflectd_config_last_reload_successful 1\n"
		}},
	{"a configuration that was not read again", "running", doctor.Warning, "and deflectd v1.2.3 goes by what it read at 2020-09-13T12:26:40Z",
		func(r *rig) {
			r.serve(r.web, metrics+"deflectd_config_last_reload_success_timestamp_seconds 1.6e+09\n")
		},
		func(r *rig, do string) {
			r.has(do, "deflectctl check "+r.config())
			r.answer = metrics + "deflectd_config_last_reload_success_timestamp_seconds " + strconv.FormatFloat(float64(time.Now().Unix()), 'g', -1, 64) + "\n"
		}},
	{"too many calls for the files", "files", doctor.Warning, "the deflectd that runs serves",
		func(r *rig) {
			r.serve(r.web, metrics+"process_max_fds 1024\n")
			r.edit("allow: [127", "max_calls: 5000, allow: [127")
		},
		func(r *rig, do string) {
			r.has(do, "LimitNOFILE=8192")
			r.answer = metrics + "process_max_fds 8192\n"
		}},
	{"no journal", "state", doctor.Warning, "state.dir is not set",
		func(r *rig) { r.edit("state: {dir: state}\n", "") },
		func(r *rig, do string) {
			r.has(do, "state: {dir: /var/lib/deflectd}")
			r.edit("\nhttp:", "\nstate: {dir: state}\nhttp:")
		}},
	{"a journal's place that is a file", "state", doctor.Bad, "is no folder",
		func(r *rig) { r.write(filepath.Join(r.dir, "state"), "") },
		func(r *rig, do string) {
			r.has(do, "move away what is in its place")
			must(r.t, os.Remove(filepath.Join(r.dir, "state")))
		}},
	{"a journal for all to see", "state", doctor.Warning, "is open to other users of this machine (mode 0755)",
		func(r *rig) { must(r.t, os.Mkdir(filepath.Join(r.dir, "state"), 0o755)) },
		func(r *rig, do string) { r.shell(do, "") }},
	{"a journal that is damaged", "state", doctor.Bad, "journal",
		func(r *rig) {
			r.write(filepath.Join(r.dir, "state", "journal.db"), strings.Repeat("x", 1<<14))
			r.write(filepath.Join(r.dir, "state", "key"), "x")
		},
		func(r *rig, do string) {
			r.has(do, "moved away is begun anew")
			must(r.t, os.Rename(filepath.Join(r.dir, "state"), filepath.Join(r.dir, "away")))
		}},
	{"a disk that is full", "disk", doctor.Bad, "has 12 MiB free",
		func(r *rig) {
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 20, doctor.OnDisk, nil }
		},
		func(r *rig, do string) {
			r.has(do, "make room on it")
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.OnDisk, nil }
		}},
	{"a disk that is none", "disk", doctor.Warning, "is in memory: when this machine starts again all is forgotten",
		func(r *rig) {
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.InMemory, nil }
		},
		func(r *rig, do string) {
			r.has(do, "set state.dir to a folder on a disk of this machine")
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.OnDisk, nil }
		}},
	{"a disk of another machine", "disk", doctor.Warning, "is at another machine",
		func(r *rig) {
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.OnNetwork, nil }
		},
		func(r *rig, do string) {
			r.has(do, "such as /var/lib/deflectd")
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.OnDisk, nil }
		}},
	{"a disk that is nearly full", "disk", doctor.Warning, "has 500 MiB free",
		func(r *rig) {
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 500 << 20, doctor.OnDisk, nil }
		},
		func(r *rig, do string) {
			r.has(do, "df -h "+r.dir)
			r.o.Room = func(string) (uint64, doctor.Kind, error) { return 12 << 30, doctor.OnDisk, nil }
		}},
	{"no switch", "switch", doctor.Bad, "connection refused",
		func(r *rig) { r.sw.Stop() },
		func(r *rig, do string) { r.has(do, "start FreeSWITCH"); must(r.t, r.sw.Start()) }},
	{"another password", "switch", doctor.Bad, "it refuses the password",
		func(r *rig) { r.write(filepath.Join(r.dir, "fs1"), "other") },
		func(r *rig, do string) {
			r.has(do, "write the password of its event_socket.conf.xml")
			r.write(filepath.Join(r.dir, "fs1"), password)
		}},
	{"an access list", "switch", doctor.Bad, "its access list refuses this machine",
		func(r *rig) { r.change(func(sw *freeswitchtest.Switch) { sw.Refuse = true }) },
		func(r *rig, do string) {
			r.has(do, "name the list as apply-inbound-acl")
			r.asTold(do)
			r.change(func(sw *freeswitchtest.Switch) { sw.Refuse = false })
		}},
	{"no event socket", "switch", doctor.Bad, "what listens there is no event socket",
		func(r *rig) { r.edit(r.sw.Addr(), strings.TrimPrefix(r.api.URL(), "http://")) },
		func(r *rig, do string) {
			r.has(do, "correct the address")
			r.edit(`address: "`+strings.TrimPrefix(r.api.URL(), "http://"), `address: "`+r.sw.Addr())
		}},
	{"the password of everybody", "event socket", doctor.Warning, "has the password that FreeSWITCH comes with: every program of its machine",
		func(r *rig) {
			r.change(func(sw *freeswitchtest.Switch) { sw.Password = "ClueCon" })
			r.write(filepath.Join(r.dir, "fs1"), "ClueCon")
		},
		func(r *rig, do string) {
			r.has(do, "write a password of your own into its event_socket.conf.xml and where deflectd looks for it")
			r.asTold(do)
			r.change(func(sw *freeswitchtest.Switch) { sw.Password = password })
			r.write(filepath.Join(r.dir, "fs1"), password)
		}},
	{"the password of everybody, for others", "event socket", doctor.Bad, "whoever its list lets in (office)",
		func(r *rig) {
			r.change(func(sw *freeswitchtest.Switch) { sw.Password, sw.Settings["apply-inbound-acl"] = "ClueCon", "office" })
			r.write(filepath.Join(r.dir, "fs1"), "ClueCon")
		},
		func(r *rig, do string) {
			r.asTold(do)
			r.change(func(sw *freeswitchtest.Switch) { sw.Password = password })
			r.write(filepath.Join(r.dir, "fs1"), password)
		}},
	{"a password that was changed in the file alone", "event socket", doctor.Bad, "after its next start deflectd is refused",
		func(r *rig) { r.change(func(sw *freeswitchtest.Switch) { sw.Settings["password"] = "opensesame-new" }) },
		func(r *rig, do string) {
			r.has(do, "write the same password")
			r.write(filepath.Join(r.dir, "fs1"), "opensesame-new")
			r.change(func(sw *freeswitchtest.Switch) { sw.Password = "opensesame-new" })
			r.asTold(do)
		}},
	{"a list in the file that does not hold this machine", "event socket", doctor.Warning, "by its event_socket.conf.xml only 10.0.0.0/8: after its next start",
		func(r *rig) {
			r.change(func(sw *freeswitchtest.Switch) { sw.Settings["apply-inbound-acl"] = "10.0.0.0/8" })
		},
		func(r *rig, do string) {
			r.has(do, "that holds this machine")
			r.change(func(sw *freeswitchtest.Switch) { sw.Settings["apply-inbound-acl"] = "127.0.0.0/8" })
			r.asTold(do)
		}},
	{"no extension", "dialplan", doctor.Bad, "***00 of profile sales: no extension takes it",
		func(r *rig) { r.dialplan("") },
		func(r *rig, do string) {
			r.has(do, "copy dialplan/deflect_offer.xml")
			r.has(do, "set deflect_daemons in it to "+r.calls)
			r.asTold(do)
			r.shipped()
		}},
	{"an extension that takes it for itself", "dialplan", doctor.Bad, "extension own takes it, and does not hand it over (context public)",
		func(r *rig) { r.dialplan(own) },
		func(r *rig, do string) { r.has(do, "copy dialplan/deflect_offer.xml"); r.shipped() }},
	{"an extension before it", "dialplan", doctor.Bad, "own takes the call before deflect_offer does",
		func(r *rig) { r.dialplan(own + fmt.Sprintf(offer, r.calls)) },
		func(r *rig, do string) {
			r.has(do, "let deflect_offer come before own")
			r.dialplan(fmt.Sprintf(offer, r.calls) + own)
		}},
	{"another daemon", "dialplan", doctor.Bad, "extension deflect_offer hands it over to 127.0.0.1:1|10.0.0.9:2, and this deflectd listens on",
		func(r *rig) { r.dialplan(fmt.Sprintf(offer, "127.0.0.1:1|10.0.0.9:2")) },
		func(r *rig, do string) {
			r.has(do, "set deflect_daemons at the top of its file to "+r.calls)
			r.dialplan(fmt.Sprintf(offer, r.calls))
		}},
	{"a daemon on another address of its machine alone", "dialplan", doctor.Bad, "and this deflectd listens on 192.0.2.1:",
		func(r *rig) {
			_, port, _ := net.SplitHostPort(r.calls)
			r.edit(`listen: "`+r.calls, `listen: "192.0.2.1:`+port)
		},
		func(r *rig, do string) {
			_, port, _ := net.SplitHostPort(r.calls)
			r.has(do, "set deflect_daemons at the top of its file to 192.0.2.1:"+port)
			r.dialplan(fmt.Sprintf(offer, "192.0.2.1:"+port))
		}},
	{"no extension for a daemon on all addresses", "dialplan", doctor.Bad, "no extension takes it",
		func(r *rig) {
			_, port, _ := net.SplitHostPort(r.calls)
			r.edit(`listen: "`+r.calls, `listen: "0.0.0.0:`+port)
			r.dialplan("")
		},
		func(r *rig, do string) { r.has(do, "set deflect_daemons in it to "+r.calls+","); r.shipped() }},
	{"without async", "dialplan", doctor.Bad, "hands over without the word async",
		func(r *rig) { r.dialplan(strings.Replace(fmt.Sprintf(offer, r.calls), " async full", " full", 1)) },
		func(r *rig, do string) { r.has(do, "host:port async full"); r.dialplan(fmt.Sprintf(offer, r.calls)) }},
	{"without full", "dialplan", doctor.Warning, "hands over without the word full",
		func(r *rig) { r.dialplan(strings.Replace(fmt.Sprintf(offer, r.calls), " async full", " async", 1)) },
		func(r *rig, do string) { r.has(do, "host:port async full"); r.dialplan(fmt.Sprintf(offer, r.calls)) }},
	{"without a watchdog", "dialplan", doctor.Warning, "has no watchdog",
		func(r *rig) { r.dialplan(strings.Replace(fmt.Sprintf(offer, r.calls), "sched_transfer", "log", 1)) },
		func(r *rig, do string) {
			r.has(do, "put the lines of the watchdog around socket")
			r.dialplan(fmt.Sprintf(offer, r.calls))
		}},
	{"a queue that is not there", "dialplan", doctor.Bad, "its calls go on to 5900 in context default, and no extension takes them there: callers are cut off",
		func(r *rig) {
			r.shipped()
			r.dialplan(strings.ReplaceAll(r.sw.Contexts["public"], "8000 XML public", "5900 XML default"))
		},
		func(r *rig, do string) {
			r.has(do, "set deflect_queue at the top of its file")
			r.dialplan(strings.ReplaceAll(r.sw.Contexts["public"], "5900 XML default", "8000 XML public"))
		}},
	{"a number of another profile", "dialplan", doctor.Bad, "***46 of profile service: no extension takes it",
		func(r *rig) {
			r.edit("profiles:", "profiles:\n  - {name: service, skill: s, dialed: [\"+14043438646\"]}")
		},
		func(r *rig, do string) {
			r.has(do, "deflect_number_pattern to the number")
			r.dialplan(fmt.Sprintf(offer, r.calls) + strings.Replace(fmt.Sprintf(offer, r.calls), "18005550100", "14043438646", 1))
		}},
	{"the rest of the numbers", "dialplan", doctor.Bad, "no extension hands calls over to this deflectd (profile sales)",
		func(r *rig) { r.edit(`    dialed: ["+18005550100"]`+"\n", ""); r.dialplan(own) },
		func(r *rig, do string) { r.shipped() }},
	{"nowhere for who was texted", "dialplan", doctor.Bad, "context public has no extension 9999, where callers of profile sales go who were texted",
		func(r *rig) { r.edit("number: ask", "number: ask\n    on_sent: {transfer: \"9999 XML public\"}") },
		func(r *rig, do string) {
			r.has(do, "copy dialplan/deflect_callcenter.xml or deflect_fifo.xml")
			r.dialplan(fmt.Sprintf(offer, r.calls) + `<extension name="deflect_texted"><condition field="destination_number" expression="^9999$"/><condition field="transfer_source" expression="."/></extension>`)
		}},
	{"prompts that are not there", "prompts", doctor.Bad, "does not have 2 files of the shipped prompts",
		func(r *rig) {
			must(r.t, os.Remove(filepath.Join(r.prefix, "ivrdeflect/en/offer.wav")))
			must(r.t, os.Remove(filepath.Join(r.prefix, "ivrdeflect/en/number.wav")))
		},
		func(r *rig, do string) {
			r.shell(do, "in the folder of the project, on the switch (the package has them in /usr/share/deflectd/sounds): ")
		}},
	{"a prompt of one's own", "prompts", doctor.Bad, "ivr/ours.wav: callers hear nothing",
		func(r *rig) { r.edit("number: ask", "number: ask\n    prompts: {offer: ivr/ours.wav}") },
		func(r *rig, do string) {
			r.has(do, "or name another one in profiles.sales.prompts.offer")
			r.write(filepath.Join(r.prefix, "ivr/8000/ours.wav"), "")
		}},
	{"no say module", "say", doctor.Bad, "knows no language en",
		func(r *rig) { r.change(func(sw *freeswitchtest.Switch) { sw.Modules = nil }) },
		func(r *rig, do string) {
			r.has(do, "add the language to its conf/lang/")
			r.change(func(sw *freeswitchtest.Switch) { sw.Modules = []string{"mod_say_en"} })
		}},
	{"a digit that cannot be said", "say", doctor.Bad, "cannot say 1 digit in en",
		func(r *rig) { must(r.t, os.Remove(filepath.Join(r.prefix, "digits/8000/7.wav"))) },
		func(r *rig, do string) {
			_, file, _ := strings.Cut(do, "so that there is ")
			r.write(file, "")
		}},
	{"keys that are not reported", "keys", doctor.Bad, "sensitive_dtmf is true for all calls",
		func(r *rig) { r.change(func(sw *freeswitchtest.Switch) { sw.Globals["sensitive_dtmf"] = "true" }) },
		(*rig).asTold},
	{"a key that ends prompts", "keys", doctor.Warning, `playback_terminators is "1" for all calls`,
		func(r *rig) { r.change(func(sw *freeswitchtest.Switch) { sw.Globals["playback_terminators"] = "1" }) },
		(*rig).asTold},
}

// Each check is red once, and what its line says mends it.
func TestCures(t *testing.T) {
	for _, tt := range cures {
		t.Run(tt.check+": "+tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.name, " for all") {
				t.Skip("Windows has other rights")
			}
			t.Parallel()
			r := newRig(t)
			tt.spoil(r)
			do := r.want(tt.check, tt.level, tt.text)
			tt.mend(r, do)
			r.well(tt.check)
		})
	}
}

const own = `<extension name="goes_on" continue="true"><condition><action application="info"></action></condition></extension>
<extension name="own"><condition field="destination_number" expression="^\+?1?800\d+$"><action application="park"></action></condition></extension>`

const metrics = `deflectd_build_info{goversion="go1.26",revision="abc",version="v1.2.3"} 1
`

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
