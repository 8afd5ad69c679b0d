package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// The dashboard that is shipped is the one that the program makes.
func TestDashboardIsWhatTheProgramMakes(t *testing.T) {
	made, err := dashboardJSON()
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, shipped) {
		t.Error("dashboard.json is an old one; make it anew: go run . > dashboard.json")
	}
}

// panel is as much of a panel as Grafana needs to draw it.
type panel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, RefID string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	shipped, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(shipped, &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

// Panels lie beside each other, and their queries have nothing that was not filled in.
func TestPanelsAreWhole(t *testing.T) {
	taken := map[[2]int]string{}
	titles := map[string]bool{}
	for _, p := range panels(t) {
		if p.Title == "" || titles[p.Title] {
			t.Errorf("a panel has no title of its own: %q", p.Title)
		}
		titles[p.Title] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies over %q, or beside the dashboard", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		var ids []string
		for _, q := range p.Targets {
			if strings.Contains(q.Expr, "{{") || strings.Contains(q.Expr, "{of}") || strings.Contains(q.Expr, "{call}") || slices.Contains(ids, q.RefID) || q.RefID == "" {
				t.Errorf("%q asks %q as %q", p.Title, q.Expr, q.RefID)
			}
			ids = append(ids, q.RefID)
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("%q asks for nothing", p.Title)
		}
	}
}
