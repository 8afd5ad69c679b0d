package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestSimulateC2M starts the simulator and goes through a call with it.
func TestSimulateC2M(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		var errOut strings.Builder
		ended <- run([]string{
			"simulate", "c2m", "--listen", "127.0.0.1:0", "--channels", "wa,sms", "--fault", "domain:status=503", "--off-shift", "7",
			"--next-fault", "invite:status=429,retry-after=1", "--next-fault", "invite:reset-after", "--open-conversation", dialed,
			"--landline", dialed, "--opted-out", dialed, "--conversation-after", "1ns",
		}, app{ctx, w, &errOut, func(name string) string {
			if name == "DEFLECT_CLIENT_SECRET" {
				return "hidden \n" // as deflectd, with blanks
			}
			return ""
		}})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	var introduction []string
	for lines.Scan() && !strings.Contains(lines.Text(), "DEFLECT_CLIENT_SECRET") {
		introduction = append(introduction, lines.Text())
	}
	secret := lines.Text()
	lines.Scan() // the empty line
	said := strings.Join(introduction, "\n")
	shows(t, said)
	found := regexp.MustCompile(`base_url: (http://127\.0\.0\.1:[0-9]+)\n`).FindStringSubmatch(said)
	if found == nil || !strings.Contains(secret, "(the one given here)") || !strings.Contains(said, "domain_url: "+found[1]+" ") {
		t.Fatalf("the introduction is\n%s\n%s", said, secret)
	}

	const account = "/api/account/38856538"
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	var token, callID string
	ask := func(method, path, kind, body string) {
		req, err := http.NewRequestWithContext(ctx, method, found[1]+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			return // one of the faults
		}
		defer resp.Body.Close()
		var answer struct {
			Token  string `json:"access_token"`
			CallID string
		}
		if json.NewDecoder(resp.Body).Decode(&answer) == nil {
			if answer.Token != "" {
				token = answer.Token
			}
			if answer.CallID != "" {
				callID = answer.CallID
			}
		}
	}
	form := url.Values{"client_id": {simulatorClient}, "client_secret": {"hidden"}, "grant_type": {"client_credentials"}}.Encode()
	eligibility := func() {
		ask("POST", account+"/eligibility?v=2.0", "application/json", `{"skill":"sales","consumerPhoneNumber":"`+caller+`","handoffId":"H123456789"}`)
	}
	invite := func() { ask("POST", account+"/invite?v=2.0", "application/json", `{"callId":"`+callID+`"}`) }
	clock := regexp.MustCompile(`^[0-9]{2}:[0-9]{2}:[0-9]{2}  `)
	ids := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)
	for _, step := range []struct {
		do   func()
		want string
	}{
		{eligibility, "401  eligibility   refused: 1100 Invalid Bearer token: invalid token"},
		{func() {
			ask("POST", "/sentinel/api/v2/account/38856538/app/token", "application/x-www-form-urlencoded", form)
		}, "200  token         a token"},
		{eligibility, "200  eligibility   ***46 can be texted by wa, sms, skill sales, callId ID"},
		{invite, "429  invite        no text; fault status=429,retry-after=1"},
		{invite, "---  invite        text sent to ***46 by wa, skill sales, callId ID; fault reset-after"},
		{eligibility, "200  eligibility   ***46 can be texted by wa, skill sales, callId ID"}, // replied
		{invite, "400  invite        refused: 1400 Message cannot be sent"},
		{func() { ask("GET", account+"/skills/7/shift-status-skill", "", "") }, "200  shift_status  told"},
		{func() { ask("GET", account+"/service/sentinel/baseURI.json?version=1.0", "", "") }, "503  domain        nothing; fault status=503"},
		{func() {
			ask("GET", account+"/app/c2m/analytics/?attemptedStartTime=1602007811000&attemptedEndTime=1602007811000", "", "")
		}, "200  analytics     report of 0 rows"},
		{func() { ask("GET", "/", "", "") }, "404  ?             refused: 1004 Not Found"},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			step.do()
		}()
		lines.Scan()
		<-done
		if got := ids.ReplaceAllString(clock.ReplaceAllString(lines.Text(), ""), "ID"); got != step.want {
			t.Errorf("line %q, want %q", got, step.want)
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSimulateC2MUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--listen 0.0.0.0:8091":                                  "add --allow-remote",
		"--listen 127.0.0.1:0 --fault status=503":                "--fault: ",
		"--listen 127.0.0.1:0 --fault send:status=503":           "--fault: ",
		"--listen 127.0.0.1:0 --next-fault invite:success-bool":  "--next-fault: ",
		"--listen 127.0.0.1:0 --fault invite:status=500,garbage": "exclude each other",
		"--listen 127.0.0.1:0 --channels fax":                    "--channels must be",
		"--listen 127.0.0.1:0 --channels sms,inapp":              "--channels must be",
		"--listen 127.0.0.1:0 --channels sms,sms":                "--channels names one twice",
		"--listen 127.0.0.1:0 --rate 0":                          "--rate must be",
		"--listen 127.0.0.1:0 --token-life 0s":                   "--token-life must be",
		"--listen 127.0.0.1:0 --report-lag=-1s":                  "must not be negative",
	} {
		code, _, stderr := invoke(t, append([]string{"simulate", "c2m"}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
	}
}
