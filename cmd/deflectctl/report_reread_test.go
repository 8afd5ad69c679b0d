package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// A conversation that opens between the reading of two windows is in the table, though
// only events that were read before tell of it.
func TestReportConversationOpensWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(livedeflecttest.Config{SiteID: "38856538", ConsumerKey: "key", ConsumerSecret: "secret", Report: livedeflecttest.Report{
			Filter:       livedeflecttest.ByEvent,
			Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return 3 * time.Second, true },
		}})
		backend, err := livedeflect.New(livedeflect.Config{
			SiteID: "38856538", BaseURL: api.URL(), Transport: api,
			Auth:   liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
			Report: livedeflect.ReportConfig{Window: time.Minute, Parallel: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer backend.Close()
		client, err := deflect.New(deflect.Config{Backend: backend})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		seam := time.Now()
		if _, err := client.Deflect(t.Context(), deflect.Call{
			ANI: "+14043438646", DNIS: "+18005550100", ExternalCallID: "1231", Skill: "sales", Text: "Reply here.", Start: seam, Accepted: seam,
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		api.InjectReport(livedeflecttest.Fault{Delay: 10 * time.Second})
		r := collectReport(&app{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, getenv: secretEnv}, liveSource(backend), seam.Add(-time.Minute), seam.Add(2*time.Second))
		r.By, r.Zone = "skill", time.UTC
		r.count()
		if r.Total.Calls != 1 || r.Total.Texts != 1 || r.Total.Conversations != 1 || r.Partial() {
			t.Errorf("%+v, gaps %v", r.Total, r.Gaps)
		}
		if csv := written(t, "csv", r); strings.Count(csv, "sales") != 1 {
			t.Errorf("got %s", csv)
		}
	})
}
