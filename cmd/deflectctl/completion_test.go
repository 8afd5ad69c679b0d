package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	for _, tt := range []struct{ words, want string }{
		{"|", "demo send report settle state trace explain doctor healthy check config load simulate completion help version"},
		{"s|", "send settle state simulate"},
		{"state||", "list forget cancel release optout key"},
		{"state|list|--", "--help --version --config --json --http.config.file --number"},
		{"doctor|--", "--help --version --config --switch --json --http.config.file"},
		{"doctor|--switch|a:1|--s", "--switch"},
		{"simulate|", "simulate"},
		{"simulate||", "livedeflect c2m freeswitch"},
		{"simulate|f", "freeswitch"},
		{"dance||", "demo send report settle state trace explain doctor healthy check config load simulate completion help version"},
		{"help|c", "check config completion"},
		{"help|simulate||", "livedeflect c2m freeswitch"},
		{"completion||", "bash zsh fish"},
		{"completion|bash||", ""},
		{"--", "--help --version"},
		{"check|--", "--help --version --config --as"},
		{"check|--as||", "c2m"},
		{"check||", ":files"},
		{"check|deflectd.yaml||", ""},
		{"check|--config||", ":files"},
		{"check|--config=|", ":files"},
		{"check|--config|=|de", ":files"},
		{"check|--config|a.yaml|--", "--help --version --as"},
		{"report|--by||", "skill hour day dialed"},
		{"report|--by|d", "day dialed"},
		{"report|--by=d", "day dialed"},
		{"report|--by|=", "skill hour day dialed"},
		{"report|--by|=|d", "day dialed"},
		{"report|--by|=|day|--s", "--since --show-numbers"},
		{"report|--show-numbers|--f", "--from --format"},
		{"report|--nothing||", ""},
		{"report|--nothing=", ""},
		{"explain|--from|1|--var|a=b|--v", "--version --var"}, // may be repeated
		{"explain|--to||", ""},
		{"demo|--mode||", "outbound inbound"},
		{"-", "--help --version"},
		{"-h||", "demo send report settle state trace explain doctor healthy check config load simulate completion help version"},
	} {
		words := strings.Split(strings.TrimSuffix(tt.words, "|"), "|")
		code, stdout, stderr := invoke(t, append([]string{"complete"}, words...)...)
		if got := strings.Join(strings.Fields(stdout), " "); code != 0 || stderr != "" || got != tt.want {
			t.Errorf("%q: exit code %d, stderr %q\n got %s\nwant %s", words, code, stderr, got, tt.want)
		}
	}
	if code, stdout, stderr := invoke(t, "complete"); code != 0 || stderr != "" || !strings.HasPrefix(stdout, "demo\n") {
		t.Errorf("no words: exit code %d, %q, %q", code, stdout, stderr)
	}
}

// The scripts in the shells themselves: each prints what it would offer.
func TestCompletionScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("these shells are guests there")
	}
	const (
		// As bash does it: --by=d are three words.
		bash = `source <(deflectctl completion bash)
handler=$(complete -p deflectctl | sed 's/.*-F \([^ ]*\).*/\1/')
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $handler; echo "${COMPREPLY[@]}"; }
ask deflectctl re
ask deflectctl report --by d
ask deflectctl report --by = d
ask deflectctl report --by =
ask deflectctl check ba
ask deflectctl check --config = ba
ask ~/deflectctl simulate f
`
		// The functions of zsh's completion work only below an editor.
		zsh = `compdef() { [[ $2 == deflectctl ]] && handler=$1 }
compadd() { echo ${(P)2} }
compset() { PREFIX=${words[CURRENT]#--*=} }
_files() { PREFIX=${PREFIX:-$words[CURRENT]}; echo $PREFIX*(N) }
source <(deflectctl completion zsh)
ask() { words=("$@"); CURRENT=$#; PREFIX=; $handler }
ask deflectctl re
ask deflectctl report --by d
ask deflectctl report --by=d
ask deflectctl report --by=
ask deflectctl check ba
ask deflectctl check --config=ba
ask '~/deflectctl' simulate f
`
		fish = `deflectctl completion fish | source
function ask; echo (complete -C $argv[1]); end
ask 'deflectctl re'
ask 'deflectctl report --by d'
ask 'deflectctl report --by=d'
ask 'deflectctl report --by='
ask 'deflectctl check ba'
ask 'deflectctl check --config=ba'
ask '~/deflectctl simulate f'
`
		plain = "report\nday dialed\nday dialed\nskill hour day dialed\nbad name.yaml base.yaml\nbad name.yaml base.yaml\nfreeswitch\n"
	)
	name := filepath.Join(t.TempDir(), "deflectctl")
	// Each word that is completed starts it: soon, without the race detector.
	if out, err := exec.Command("go", "build", "-race=false", "-o", name, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for shell, tt := range map[string]struct{ script, want string }{
		"bash": {bash, plain},
		"zsh":  {zsh, plain},
		// fish completes whole words, and sorts them.
		"fish": {fish, "report\nday dialed\n--by=day --by=dialed\n--by=day --by=dialed --by=hour --by=skill\nbad name.yaml base.yaml\n--config=bad name.yaml --config=base.yaml\nfreeswitch\n"},
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not installed here", shell)
			}
			home := t.TempDir()
			for _, file := range []string{"bad name.yaml", "base.yaml", "other.yaml"} {
				if err := os.WriteFile(filepath.Join(home, file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(name, filepath.Join(home, "deflectctl")); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(path, "-c", tt.script)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "PATH="+filepath.Dir(name)+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != tt.want {
				t.Errorf("%v\n got %q\nwant %q", err, out, tt.want)
			}
		})
	}
}
