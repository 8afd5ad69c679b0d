//go:build linux

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The spans of rules become a hundredth, but not shorter than some scrapes and not longer
// than a test likes to wait.
const (
	divisor        = 100
	shortestWindow = 3 * time.Second
	longestWindow  = 5 * time.Second
	shortestFor    = time.Second
	longestFor     = 2 * time.Second
)

type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record string            `yaml:"record,omitempty"`
	Alert  string            `yaml:"alert,omitempty"`
	Expr   string            `yaml:"expr"`
	For    string            `yaml:"for,omitempty"`
	Labels map[string]string `yaml:"labels,omitempty"`
}

// dividedRules are the shipped rules with shorter times.
func dividedRules(t *testing.T) (text []byte, rules []rule) {
	t.Helper()
	shipped, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(shipped, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for i := range g.Rules {
			r := &g.Rules[i]
			r.Expr = dividedExpr(t, strings.Join(strings.Fields(r.Expr), " "))
			if r.For != "" {
				r.For = written(clamp(span(t, r.For)/divisor, shortestFor, longestFor))
			}
			rules = append(rules, *r)
		}
	}
	text, err = yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return text, rules
}

var (
	window  = regexp.MustCompile(`\[(\w+)(:\w*)?\]`)
	offset  = regexp.MustCompile(`\boffset \w+`)
	seconds = regexp.MustCompile(`\b\d+( \* \d+)* \* (60|3600|86400)\b`) // of an age
)

func dividedExpr(t *testing.T, expr string) string {
	t.Helper()
	expr = window.ReplaceAllStringFunc(expr, func(s string) string {
		m := window.FindStringSubmatch(s)
		d := "[" + written(clamp(span(t, m[1])/divisor, shortestWindow, longestWindow))
		if m[2] != "" {
			d += ":" + written(scrapeEvery)
		}
		return d + "]"
	})
	expr = offset.ReplaceAllString(expr, "offset "+written(shortestWindow))
	return seconds.ReplaceAllStringFunc(expr, func(s string) string {
		product := time.Second
		for f := range strings.SplitSeq(s, " * ") {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			product *= time.Duration(n)
		}
		return strconv.FormatFloat(clamp(product/divisor, shortestWindow, longestWindow).Seconds(), 'f', -1, 64)
	})
}

// written is a time as Prometheus reads it.
func written(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

func clamp(d, low, high time.Duration) time.Duration { return min(max(d, low), high) }

var part = regexp.MustCompile(`(\d+)(ms|s|m|h|d|w)`)

// span reads a time as Prometheus writes it.
func span(t *testing.T, s string) (d time.Duration) {
	t.Helper()
	units := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	for _, m := range part.FindAllStringSubmatch(s, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		d += time.Duration(n) * units[m[2]]
	}
	if d == 0 || part.ReplaceAllString(s, "") != "" {
		t.Fatalf("%q is no time", s)
	}
	return d
}

// dashboardQueries are those of the shipped dashboard, with its variables filled in.
func dashboardQueries(t *testing.T) (queries []string) {
	t.Helper()
	shipped, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board any
	if err := json.Unmarshal(shipped, &board); err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer(
		"$__rate_interval", written(longestWindow), "${__rate_interval}", written(longestWindow),
		"$__range", written(longestWindow), "$__interval", written(scrapeEvery),
		"$job", ".+", "${job}", ".+", "$instance", ".+", "${instance}", ".+", "$profile", ".*", "${profile}", ".*",
	)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for key, e := range v {
				text, is := e.(string)
				switch {
				case is && key == "expr":
					queries = append(queries, filled.Replace(text))
				case is && strings.HasPrefix(text, "label_values("):
					metric, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(text, "label_values("), ")"), ",")
					queries = append(queries, "count by ("+strings.TrimSpace(label)+") ("+filled.Replace(metric)+")")
				default:
					walk(e)
				}
			}
		}
	}
	walk(board)
	if len(queries) == 0 {
		t.Fatal("dashboard.json has no query")
	}
	for _, q := range queries {
		if strings.Contains(q, "$") {
			t.Errorf("dashboard.json: this test does not know a variable of %q", q)
		}
	}
	return queries
}
