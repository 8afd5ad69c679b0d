// Command logql asks a log file a question in LogQL, as jq does in its own language:
//
//	logql 'QUERY' deflectd.log
//
// The lines are those of one stream, {job="deflectd"}, and now is when the last was written.
// It prints lines, or an object with a number for each set of labels, their values between slashes.
//
// Its engine is that of Loki 2.2, the last with the Apache licence: no part of what is released.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/grafana/loki/pkg/logproto"
	"github.com/grafana/loki/pkg/logql"
	"github.com/prometheus/prometheus/promql"
	"github.com/weaveworks/common/user"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: logql 'QUERY' FILE")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "logql:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, query, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	stream := logproto.Stream{Labels: `{job="deflectd"}`}
	// Days before any line: a line without a time has that of the one before it.
	at := time.Unix(0, 0)
	for line := range bytes.Lines(text) {
		var of struct{ Time time.Time }
		// Two of the same time stay in order.
		at = at.Add(1)
		if json.Unmarshal(line, &of) == nil && of.Time.After(at) {
			at = of.Time
		}
		stream.Entries = append(stream.Entries, logproto.Entry{Timestamp: at, Line: strings.TrimSuffix(string(line), "\n")})
	}
	expr, err := logql.ParseExpr(query)
	if err != nil {
		return err
	}
	from, to := at, at
	if _, metric := expr.(logql.SampleExpr); !metric {
		from, to = time.Unix(0, 0), at.Add(1)
	}
	engine := logql.NewEngine(logql.EngineOpts{}, logql.NewMockQuerier(0, []logproto.Stream{stream}), logql.NoLimits)
	params := logql.NewLiteralParams(query, from, to, 0, 0, logproto.FORWARD, math.MaxUint32, nil)
	result, err := engine.Query(params).Exec(user.InjectOrgID(context.Background(), "nobody"))
	if err != nil {
		return err
	}
	switch data := result.Data.(type) {
	case logql.Streams:
		return printLines(w, data)
	case promql.Vector:
		return printNumbers(w, data)
	}
	return fmt.Errorf("an answer of type %s", result.Data.Type())
}

// printLines prints them in the order of the file.
func printLines(w io.Writer, streams logql.Streams) error {
	var all []logproto.Entry
	for _, s := range streams {
		all = append(all, s.Entries...)
	}
	slices.SortFunc(all, func(a, b logproto.Entry) int {
		return a.Timestamp.Compare(b.Timestamp)
	})
	for _, e := range all {
		if _, err := fmt.Fprintln(w, e.Line); err != nil {
			return err
		}
	}
	return nil
}

func printNumbers(w io.Writer, vector promql.Vector) error {
	numbers := map[string]float64{}
	for _, sample := range vector {
		var values []string
		for _, label := range sample.Metric {
			values = append(values, label.Value)
		}
		numbers[strings.Join(values, "/")] = sample.V
	}
	return json.NewEncoder(w).Encode(numbers)
}
