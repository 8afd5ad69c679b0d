package main

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool takes the files, and the rules do what rules_test.yml says.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt install prometheus): the rules are not tried")
	}
	for _, args := range []string{"check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"} {
		if out, err := exec.Command(promtool, strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args, err, out)
		}
	}
}

// alert is a rule of rules.yml, which records or alerts.
type alert struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(read(t, "rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

const deflectdREADME = "../../cmd/deflectd/README.md"

// Whoever is woken up by an alert finds what it means, what to do and why it fires, and every
// paragraph about alerts is of one that there is.
func TestAlertsAreExplained(t *testing.T) {
	_, section, _ := strings.Cut(read(t, deflectdREADME), "\n## Alerts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	explained := map[string]string{}
	for _, s := range strings.Split(section, "\n### ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		explained[name] = strings.TrimSpace(text)
	}
	tried := read(t, "rules_test.yml")
	for _, a := range alerts(t) {
		if a.Alert == "" {
			continue
		}
		if want := []string{"description", "runbook_url", "summary", "threshold"}; !slices.Equal(slices.Sorted(maps.Keys(a.Annotations)), want) {
			t.Errorf("%s has the annotations %v, want %v", a.Alert, slices.Sorted(maps.Keys(a.Annotations)), want)
		}
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", a.Alert, s)
		}
		if url := "https://github.com/ivrdeflect/ivrdeflect/blob/HEAD/cmd/deflectd/README.md#" + strings.ToLower(a.Alert); a.Annotations["runbook_url"] != url {
			t.Errorf("%s leads to %s, want %s", a.Alert, a.Annotations["runbook_url"], url)
		}
		if text := explained[a.Alert]; !strings.HasPrefix(text, "**"+a.Labels["severity"]+".** ") || strings.Contains(text, "\n\n") {
			t.Errorf("README of deflectd has not one paragraph about %s, beginning with its severity:\n%s", a.Alert, text)
		}
		delete(explained, a.Alert)
		if !strings.Contains(tried, `alertname="`+a.Alert+`", alertstate="firing"`) {
			t.Errorf("rules_test.yml does not see %s fire", a.Alert)
		}
	}
	for name := range explained {
		t.Errorf("README of deflectd explains %s, which is no alert", name)
	}
}

var (
	metricName = regexp.MustCompile(`\bdeflectd?_[a-z_]+[a-z]\b`)
	recorded   = regexp.MustCompile(`\b[a-z_]+:deflect_[a-z_]+:[a-z0-9]+\b`)
	labelName  = regexp.MustCompile(`([a-z_]+)(?:=~|!=|!~|=)"`)
	grouping   = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]*)\)`)
	series     = regexp.MustCompile(`(\bdeflectd?_[a-z_]+[a-z]\b)\{([^}]*)\}`)
)

// What rules and dashboard ask for are metrics with labels that deflectd has, by the table of
// its README, which is compared with its code; and the dashboard shows every one of them.
func TestSeriesExist(t *testing.T) {
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(deflectd?_[a-z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(read(t, deflectdREADME), -1) {
		if strings.HasPrefix(m[2], "counter") || strings.HasPrefix(m[2], "gauge") || strings.HasPrefix(m[2], "histogram") {
			rows[m[1]] = m[2]
		}
	}
	// row returns the one of a metric, or of a histogram that it is of.
	row := func(name string) (metric, about string) {
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			if base, is := strings.CutSuffix(name, suffix); is && (suffix == "" || strings.HasPrefix(rows[base], "histogram")) && rows[base] != "" {
				return base, rows[base]
			}
		}
		return "", ""
	}
	records := map[string]bool{}
	labels := map[string]bool{"job": true, "instance": true, "le": true, "alertname": true, "alertstate": true}
	for _, about := range rows {
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(about, -1) {
			labels[m[1]] = true
		}
	}
	shown := map[string]bool{}
	check := func(where, expr string) {
		for _, name := range recorded.FindAllString(expr, -1) {
			if !records[name] {
				t.Errorf("%s asks for %s, which nothing records", where, name)
			}
		}
		plain := recorded.ReplaceAllString(expr, "up")
		for _, name := range metricName.FindAllString(plain, -1) {
			metric, _ := row(name)
			if metric == "" {
				t.Errorf("%s asks for %s, which is no metric of deflectd", where, name)
			}
			shown[metric] = shown[metric] || strings.HasPrefix(where, "panel")
		}
		for _, s := range series.FindAllStringSubmatch(plain, -1) {
			_, about := row(s[1])
			for _, l := range labelName.FindAllStringSubmatch(s[2], -1) {
				if l[1] != "job" && l[1] != "instance" && !strings.Contains(about, "`"+l[1]+"`") {
					t.Errorf("%s chooses by %s, which %s does not have", where, l[1], s[1])
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(g[1], ", ") {
				if !labels[l] {
					t.Errorf("%s groups by %q, which is no label", where, l)
				}
			}
		}
	}
	for _, a := range alerts(t) {
		records[a.Record] = true
	}
	for _, a := range alerts(t) {
		check("rule "+a.Alert+a.Record, a.Expr)
	}
	for _, p := range panels(t) {
		for _, q := range p.Targets {
			check("panel "+p.Title, q.Expr)
		}
	}
	for name := range rows {
		if !shown[name] && name != "deflectd_config_last_reload_success_timestamp_seconds" { // an annotation
			t.Errorf("no panel shows %s", name)
		}
	}
}
