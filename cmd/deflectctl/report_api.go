package main

import (
	"context"
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// reportAPI is an API that has a report.
type reportAPI struct {
	name, title string // of its section in a configuration, and for people
	account     string // the key of that section that says whose report it is
	calls       string // what its report has of every call
	notes       string // what a page says of its report
	lacks       string // a grouping that it cannot tell
	of          func([]funnel.Journey) funnel.Funnel
	source      func(*apis.APIs) reportSource
}

// reportSource reads the report of an account.
type reportSource func(ctx context.Context, from, to time.Time, progress func(done, total int), failed func(error)) []funnel.Journey

var reportAPIs = []*reportAPI{
	{
		name: config.LiveDeflect, title: "LiveDeflect", account: "site_id", calls: "asked for a text", of: funnel.Of,
		source: func(all *apis.APIs) reportSource { return liveSource(all.Live) },
		notes:  "It names its stages without explaining them; what they are taken to mean is written beside each.",
	},
	{
		name: config.C2M, title: "Connect to Messaging", account: "account", calls: "asked about", of: funnel.OfC2M, lacks: "dialed",
		source: func(all *apis.APIs) reportSource { return c2mSource(all.C2M) },
		notes:  "It is up to 20 minutes late. A call begins when the API is asked whether it can be texted; SMS does not tell whether a text was read.",
	},
}

func liveSource(client *livedeflect.Client) reportSource {
	return func(ctx context.Context, from, to time.Time, progress func(done, total int), failed func(error)) []funnel.Journey {
		return funnel.Collect(client.Report(ctx, livedeflect.ReportQuery{From: from, To: to, Progress: progress}), failed)
	}
}

func c2mSource(client *c2m.Client) reportSource {
	return func(ctx context.Context, from, to time.Time, progress func(done, total int), failed func(error)) []funnel.Journey {
		return funnel.CollectC2M(client.Transactions(ctx, c2m.TransactionQuery{From: from, To: to, Progress: progress}), failed)
	}
}

// Title and Notes are for the page.
func (api *reportAPI) Title() string { return api.title }

// Notes is for the page.
func (api *reportAPI) Notes() string { return api.notes }

// chooseAPI is the API that a command is about: one that the file speaks.
func chooseAPI(file config.File, name string) (*reportAPI, error) {
	var spoken []*reportAPI
	known := false
	for _, api := range reportAPIs {
		known = known || api.name == name
		if file.Speaks(api.name) && (name == "" || api.name == name) {
			spoken = append(spoken, api)
		}
	}
	names := list(each(reportAPIs, func(api *reportAPI) string { return api.name }), "or")
	switch {
	case name != "" && !known:
		return nil, usage("--api %q is no API: write %s", name, names)
	case len(spoken) == 0:
		return nil, usage("--api %s: the configuration has no section %s", name, name)
	case len(spoken) > 1:
		return nil, usage("the configuration has several APIs: choose one, with --api %s", names)
	}
	return spoken[0], nil
}

// malformed reports whether an error is that of one entry.
func malformed(err error) bool {
	var event *livedeflect.EventError
	var transaction *c2m.TransactionError
	return errors.As(err, &event) || errors.As(err, &transaction)
}
