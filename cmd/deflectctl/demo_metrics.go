package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// showMetrics scrapes deflectd like Prometheus and prints the series that moved.
func (s *stage) showMetrics(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.daemon.HTTPAddr()+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if line := lines.Text(); moved(line) {
			fmt.Fprintln(w, "  ", line)
		}
	}
	return lines.Err()
}

// moved picks our own series that are not zero, without the buckets.
func moved(line string) bool {
	name, value, ok := strings.Cut(line, " ")
	if !ok || !strings.HasPrefix(name, "deflect_") || strings.Contains(name, "_bucket") {
		return false
	}
	v, err := strconv.ParseFloat(value, 64)
	return err == nil && v != 0
}
