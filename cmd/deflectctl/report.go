package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

type reportCmd struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	Since  string `placeholder:"DURATION" help:"From so long before the end, such as 90m, 24h or 7d (default: 24h)."`
	From   string `placeholder:"TIME" help:"From this time on: RFC 3339, or seconds or milliseconds since 1970."`
	To     string `placeholder:"TIME" help:"Until this time (default: now)."`

	API         string `name:"api" placeholder:"NAME" help:"Of which API, where the configuration has both: ${apis_listed}."`
	By          string `default:"skill" enum:"${groupings}" help:"Group by ${groupings_listed} (default: ${default})."`
	Format      string `default:"table" enum:"${formats}" help:"Print a ${formats_listed} (default: ${default})."`
	ShowNumbers bool   `help:"Do not mask telephone numbers."`
	Zone        string `default:"Local" placeholder:"ZONE" help:"Time zone of hours, days and times, such as Europe/Berlin (default: this machine's)."`
}

// Help is shown below the usage.
func (reportCmd) Help() string {
	var formats strings.Builder
	for _, f := range reportFormats {
		fmt.Fprintf(&formats, "  %-7s %s\n", f.name, f.help)
	}
	return `Tells what became of the texts: how many calls got to which stage of the API's report, and where they were lost. That of
Connect to Messaging is up to 20 minutes late, and knows no dialled number.

` + formats.String() + `
Ctrl-C prints what there is. What is not all says that it is partial (csv and ndjson: on standard error). Exit code 0: all of it. 1: partial or nothing.
2: usage or configuration.

  deflectctl report --config deflectd.yaml --since 7d --by day --format html > week.html`
}

// Run reads the report and prints it.
func (c *reportCmd) Run(a *app) error {
	from, to, err := c.span(time.Now().Truncate(time.Millisecond))
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil || c.Zone == "" {
		return usage("--zone %s is not known: write an IANA name such as Europe/Berlin", c.Zone)
	}
	file, err := loadConfig(a, c.Config)
	if err != nil {
		return err
	}
	api, err := chooseAPI(file, c.API)
	if err != nil {
		return err
	}
	if c.By == api.lacks {
		return usage("--by %s: the report of %s does not tell it", c.By, api.title)
	}
	all, _, err := openAPIs(file, apis.Options{})
	if err != nil {
		return err
	}
	defer all.Close()

	r := collectReport(a, api.source(all), from, to)
	r.API, r.By, r.Zone, r.ShowNumbers = api, c.By, zone, c.ShowNumbers
	r.count()
	for _, f := range reportFormats {
		if f.name == c.Format {
			err = f.write(a.stdout, r)
		}
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	r.complain(a.stderr)
	if r.Partial() {
		return &exit{code: exitFailed}
	}
	return nil
}

// span is what the flags ask for.
func (c *reportCmd) span(now time.Time) (from, to time.Time, err error) {
	to = now
	if c.To != "" {
		if to, err = parseInstant(c.To); err != nil {
			return from, to, usage("--to %w", err)
		}
	}
	switch {
	case c.Since != "" && c.From != "":
		return from, to, usage("--since goes without --from: keep one of them")
	case c.From != "":
		if from, err = parseInstant(c.From); err != nil {
			return from, to, usage("--from %w", err)
		}
	default:
		since := 24 * time.Hour
		if c.Since != "" {
			if since, err = parseSince(c.Since); err != nil {
				return from, to, err
			}
		}
		from = to.Add(-since)
	}
	from, to = from.Truncate(time.Millisecond), to.Truncate(time.Millisecond)
	switch {
	case from.After(now):
		return from, to, usage("the span is still to come: it begins at %s", from.Format(time.RFC3339))
	case !to.After(from):
		return from, to, usage("the span ends before it begins: --from %s, --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	case from.Unix() < 0:
		return from, to, usage("the span begins before 1970")
	case to.Sub(from) > livedeflect.LongestReport:
		return from, to, usage("the span is longer than ten years")
	}
	return from, to, nil
}

// parseSince reads a duration, also in days.
func parseSince(s string) (time.Duration, error) {
	var d time.Duration
	days, isDays := strings.CutSuffix(s, "d")
	n, err := strconv.Atoi(days)
	if isDays && err == nil && n < 10_000 {
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d <= 0 {
		return 0, usage("--since %q is no length of time: write 90m, 24h or 7d", s)
	}
	return d, nil
}
