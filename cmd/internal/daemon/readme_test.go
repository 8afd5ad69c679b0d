package daemon

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// What deflectd's README says exists, and what exists is in it: metrics with
// their labels, outcomes and reasons.
func TestREADME(t *testing.T) {
	raw, err := os.ReadFile("../../deflectd/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(raw)

	reg, families := gathered(t)
	rows := map[string]string{} // metric row by name
	for _, m := range regexp.MustCompile("(?m)^\\| `(deflectd?_[a-z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(readme, -1) {
		rows[m[1]] = m[2]
	}
	for _, f := range families {
		name := f.GetName()
		if !strings.HasPrefix(name, "deflect") {
			continue
		}
		row, ok := rows[name]
		if !ok {
			t.Errorf("the README lacks %s", name)
			continue
		}
		delete(rows, name)
		if kind := strings.ToLower(f.GetType().String()); !strings.HasPrefix(row, kind+" |") {
			t.Errorf("%s is a %s, the README says %s", name, kind, row)
		}
		if h := f.GetMetric()[0].GetHistogram(); h != nil && (h.Schema == nil || len(h.GetBucket()) == 0) {
			t.Errorf("%s has not both kinds of buckets", name)
		}
		for _, l := range f.GetMetric()[0].GetLabel() {
			if !strings.Contains(row, "`"+l.GetName()+"`") {
				t.Errorf("the README lacks label %s of %s", l.GetName(), name)
			}
		}
	}
	for name, row := range rows {
		if strings.Contains(row, "absent until") && reg.Register(prometheus.NewGauge(prometheus.GaugeOpts{Name: name})) != nil {
			continue // the name is taken: it exists, and has no series yet
		}
		if name != "deflect_outcome" && name != "deflect_reason" {
			t.Errorf("the README names %s, which does not exist", name)
		}
	}

	// What the prose speaks of is a metric, or a channel variable that the dialplan's has.
	dialplan, err := os.ReadFile("../../../dialplan/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\bdeflectd?_[a-z_]*[a-z]\b`).FindAllString(readme, -1) {
		if !strings.Contains(readme, "\n| `"+name+"` | ") && !strings.Contains(string(dialplan), name) {
			t.Errorf("the README speaks of %s, which is neither a metric nor a channel variable", name)
		}
	}

	_, rules, _ := strings.Cut(readme, "\n## Who is offered a text\n")
	rules, _, _ = strings.Cut(rules, "\n## ")
	for _, r := range deflect.Reasons(deflect.Ineligible) {
		if !regexp.MustCompile("(?m)^\\|.*`" + string(r) + "`.*\\|$").MatchString(rules) {
			t.Errorf("the README has no rule with the reason %s", r)
		}
	}

	for _, o := range deflect.Outcomes() {
		m := regexp.MustCompile("(?m)^\\| `" + string(o) + "` \\|[^|]*\\|([^|]*)\\|$").FindStringSubmatch(readme)
		if m == nil {
			t.Errorf("the README lacks outcome %s", o)
			continue
		}
		var got []deflect.Reason
		for _, r := range strings.Fields(m[1]) {
			got = append(got, deflect.Reason(strings.Trim(r, "`")))
		}
		want := deflect.Reasons(o)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("reasons of %s in the README: %v, want %v", o, got, want)
		}
	}
}

// gathered returns what a daemon has all metrics of, and the metrics.
func gathered(t *testing.T) (*prometheus.Registry, []*dto.MetricFamily) {
	t.Helper()
	reg := prometheus.NewRegistry()
	file := testFile(t)
	// For the metrics that are off by default.
	file.Funnel.Every = time.Minute
	file.FreeSWITCH.Inbound = []freeswitch.Switch{{Name: "fs1", Address: "127.0.0.1:1", Password: deflect.NewSecret("x")}}
	file.Fleet, file.AwayLocal = &fleet.Config{Addresses: []string{"127.0.0.1:1"}, Key: fleetKey}, true
	d, err := New(Options{Config: file, Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	d.calls.Close()
	d.web.Close()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return reg, families
}
