package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dghubble/oauth1"
)

const (
	skill       = "sales"
	textMessage = "Thanks for calling. Reply here, and we go on in this conversation."
)

// texter is the request written by hand: a struct, a signature, a POST.
type texter struct {
	client *http.Client
	url    string
}

// newTexter keeps as many connections as deflectd does, so that the number of
// connections is not what is compared.
func newTexter(api string) *texter {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256
	ctx := context.WithValue(context.Background(), oauth1.HTTPClient, &http.Client{Transport: transport})
	client := oauth1.NewConfig(keys.ConsumerKey, keys.ConsumerSecret).Client(ctx, oauth1.NewToken(keys.Token, keys.TokenSecret))
	client.Timeout = 4 * time.Second
	return &texter{client: client, url: api + path}
}

// invitation is the body of the request.
type invitation struct {
	SiteID               string         `json:"siteId"`
	Skill                string         `json:"skill"`
	CustomerCountryCode  string         `json:"customerCountryCode"`
	CustomerPhoneNumber  string         `json:"customerPhoneNumber"`
	IsMobile             string         `json:"isMobile"`
	DeflectionAcceptTime string         `json:"deflectionAcceptTime"`
	CallBeginTime        string         `json:"callBeginTime"`
	ExternalCallID       string         `json:"externalCallId"`
	DialedCountryCode    string         `json:"dialedCountryCode"`
	DialedPhoneNumber    string         `json:"dialedPhoneNumber"`
	DeflectionChannel    string         `json:"deflectionChannel"`
	DeflectionText       string         `json:"deflectionText"`
	DeflectionHandle     string         `json:"deflectionHandle"`
	CallerInfo           map[string]any `json:"callerInfo,omitempty"`
}

// caller is what a handler knows of a call.
type caller struct {
	uuid, from, to, skill string
	since                 time.Time
	info                  map[string]any
}

// micros reads FreeSWITCH's times.
func micros(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.UnixMicro(n)
}

// send sends the text and returns LiveDeflect's id of it. All numbers are taken to be
// North American.
func (t *texter) send(ctx context.Context, c caller) (string, error) {
	from, to := strings.TrimPrefix(c.from, "+"), strings.TrimPrefix(c.to, "+")
	body, err := json.Marshal(invitation{
		SiteID:               siteID,
		Skill:                c.skill,
		CustomerCountryCode:  "1",
		CustomerPhoneNumber:  strings.TrimPrefix(from, "1"),
		IsMobile:             "true",
		DeflectionAcceptTime: strconv.FormatInt(time.Now().UnixMilli(), 10),
		CallBeginTime:        strconv.FormatInt(c.since.UnixMilli(), 10),
		ExternalCallID:       c.uuid,
		DialedCountryCode:    "1",
		DialedPhoneNumber:    strings.TrimPrefix(to, "1"),
		DeflectionChannel:    "sms",
		DeflectionText:       textMessage,
		DeflectionHandle:     from,
		CallerInfo:           c.info,
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var said struct {
		CallID  string `json:"callId"`
		Success string `json:"success"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || said.Success != "true" {
		return "", fmt.Errorf("LiveDeflect said %s", resp.Status)
	}
	return said.CallID, nil
}
