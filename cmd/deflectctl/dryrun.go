package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// captured is a transport that keeps the request that it is given, signed as it
// is, and sends nothing.
type captured struct {
	request *http.Request
	body    []byte
}

var errDryRun = errors.New("a dry run sends nothing")

func (c *captured) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	c.request, c.body = req, body
	return nil, errDryRun
}

// print shows the request: keys and signature hidden, numbers masked unless
// they are to be shown.
func (c *captured) print(w io.Writer, showNumbers bool) error {
	var body bytes.Buffer
	if err := json.Indent(&body, c.body, "", "  "); err != nil {
		return fmt.Errorf("show the request: %w", err)
	}
	text := body.String()
	if !showNumbers {
		text = maskBody(c.body).Replace(text)
	}
	fmt.Fprintln(w, c.request.Method, c.request.URL)
	names := make([]string, 0, len(c.request.Header))
	for name := range c.request.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range c.request.Header[name] {
			if name == "Authorization" {
				value = hideKeys(value)
			}
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", text)
	return err
}

var keyParams = regexp.MustCompile(`(oauth_(?:consumer_key|token|signature)=")[^"]+"`)

// hideKeys keeps the shape of an OAuth header; of any other scheme only its name.
func hideKeys(authorization string) string {
	scheme, _, _ := strings.Cut(authorization, " ")
	if scheme != "OAuth" {
		return scheme + " [redacted]"
	}
	return keyParams.ReplaceAllString(authorization, `${1}[redacted]"`)
}

// maskBody masks both numbers of a request, wherever they occur in it.
func maskBody(body []byte) *strings.Replacer {
	var fields struct {
		CustomerCountryCode string `json:"customerCountryCode"`
		CustomerPhoneNumber string `json:"customerPhoneNumber"`
		DialedCountryCode   string `json:"dialedCountryCode"`
		DialedPhoneNumber   string `json:"dialedPhoneNumber"`
		DeflectionHandle    string `json:"deflectionHandle"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return strings.NewReplacer()
	}
	return masker(
		fields.DeflectionHandle,
		fields.CustomerCountryCode+fields.CustomerPhoneNumber, fields.CustomerPhoneNumber,
		fields.DialedCountryCode+fields.DialedPhoneNumber, fields.DialedPhoneNumber,
	)
}

// masker masks telephone numbers in a text; the first that fits wins, so the
// longer form of a number comes first.
func masker(numbers ...string) *strings.Replacer {
	var pairs []string
	for _, n := range numbers {
		for _, form := range []string{n, strings.TrimPrefix(n, "+")} {
			if form != "" {
				pairs = append(pairs, form, phone.Number(n).String())
			}
		}
	}
	return strings.NewReplacer(pairs...)
}
