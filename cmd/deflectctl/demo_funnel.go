package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

const demoBar = 24 // characters for every caller

// tellFunnel tells what became of the callers, as LiveDeflect's report has it,
// and of the one whose text was uncertain.
func (s *stage) tellFunnel(ctx context.Context, w io.Writer, began time.Time, scenes []scene) (complaints []string, err error) {
	texts, doubts := 0, 0
	for _, sc := range scenes {
		texts += sc.texts
		if sc.outcome == string(deflect.Uncertain) {
			doubts++
		}
	}
	settled := map[string]string{}
	if doubts > 0 {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		record, err := s.log.await(ctx, "uncertain text settled")
		if err != nil {
			return nil, err
		}
		settled = attrs(record)
	}

	client, err := livedeflect.New(s.config)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var failed error
	report := client.Report(ctx, livedeflect.ReportQuery{From: began.Add(-time.Minute), To: time.Now()})
	calls := funnel.Collect(report, func(err error) { failed = err })
	if failed != nil {
		return nil, failed
	}
	f := funnel.Of(calls)
	fmt.Fprintf(w, "\nWhat became of them, from LiveDeflect's report\n\n")
	line := func(what string, n int) {
		fmt.Fprintf(w, "   %-36s %d  %s\n", what, n, bar(n, len(scenes), demoBar))
	}
	line("called", len(scenes))
	for _, st := range f.Stages {
		line(fmt.Sprintf("%-15s %s", st.Stage, stageNames[st.Stage]), st.Calls)
	}
	if doubts > 0 {
		took, _ := time.ParseDuration(settled["took"])
		fmt.Fprintf(w, "\n   The uncertain text: deflectd looked it up %.3fs later. It was %s.\n", took.Seconds(), settled["result"])
	}
	complain := func(ok bool, format string, args ...any) {
		if !ok {
			complaints = append(complaints, fmt.Sprintf(format, args...))
		}
	}
	complain(f.Texts == texts, "the report shows %d texts, not %d", f.Texts, texts)
	complain(doubts == 0 || settled["result"] == string(deflect.SettledSent), "the uncertain text is settled as %q, not as sent", settled["result"])
	return complaints, nil
}
