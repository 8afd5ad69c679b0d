// Command prometheus prints the Grafana dashboard of this folder, dashboard.json:
//
//	go run . > dashboard.json
//
// It is made by a program because a dashboard that is clicked together refers to metrics that
// nobody checks. See README.md.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	made, err := dashboardJSON()
	if err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
	os.Stdout.Write(made) //nolint:errcheck // the shell tells
}

// dashboardJSON is what dashboard.json has to be.
func dashboardJSON() ([]byte, error) {
	board, err := newDashboard()
	if err != nil {
		return nil, fmt.Errorf("the dashboard is not whole: %w", err)
	}
	var made bytes.Buffer
	out := json.NewEncoder(&made)
	out.SetEscapeHTML(false) // expressions compare
	out.SetIndent("", "  ")
	if err := out.Encode(board); err != nil {
		return nil, err
	}
	return made.Bytes(), nil
}
