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

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// captured is a transport that keeps the request that it is given, signed as it is, and
// sends nothing. Only the Domain API is asked, which is told nothing.
type captured struct {
	request *http.Request
	body    []byte
}

var errDryRun = errors.New("a dry run sends nothing")

func (c *captured) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		t := liveperson.NewTransport()
		t.DisableKeepAlives = true
		return t.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	c.request, c.body = req, body
	return nil, errDryRun
}

// dryRun shows what would be sent for a call. It reports false when nothing would be, as
// Deflect says.
func (c *client) dryRun(a *app, seen *captured, call deflect.Call, showNumbers bool) (shown bool, err error) {
	text, err := c.Preview(a.ctx, call)
	if err != nil {
		return false, nil
	}
	mask := masked(text)
	if showNumbers {
		mask = strings.NewReplacer()
	}
	if apis.Of(c.file, call.Policy.Name()) == config.C2M {
		err = c.both(a, seen, text, mask)
	} else if _, _ = c.Deflect(a.ctx, call); seen.request != nil {
		err = seen.print(a.stdout, seen.request.URL.String(), mask)
	} else {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	hidden := "keys and numbers are hidden"
	if showNumbers {
		hidden = "keys are hidden"
	}
	fmt.Fprintf(a.stderr, "deflectctl: a dry run: nothing was sent (%s above)\n", hidden)
	return true, nil
}

// both shows the two requests of Connect to Messaging.
func (c *client) both(a *app, seen *captured, text *deflect.Text, mask *strings.Replacer) error {
	p := c.apis.C2M.Preview(text)
	for i, r := range []c2m.Request{p.Eligibility, p.Invite} {
		fmt.Fprintln(a.stdout, []string{"# Before the offer: can this caller be texted?", "\n# At the key press, with what that was answered: the text."}[i])
		req, err := http.NewRequestWithContext(a.ctx, http.MethodPost, unbraced.Replace(r.URL), bytes.NewReader(r.Body))
		if err != nil {
			return fmt.Errorf("show the request: %w", err)
		}
		req.Header.Set("Content-Type", "application/json")
		if _, err := c.file.C2M.Auth.Transport(seen).RoundTrip(req); !errors.Is(err, errDryRun) {
			return fmt.Errorf("show the request: %w", err)
		}
		if err := seen.print(a.stdout, r.URL, mask); err != nil {
			return err
		}
	}
	if len(p.LeftOut) > 0 {
		fmt.Fprintf(a.stderr, "deflectctl: agents are not shown, for the API has no place for it: %s\n", visible(strings.Join(p.LeftOut, ", "), 500))
	}
	return nil
}

// print shows the request: keys and signature hidden, numbers masked.
func (c *captured) print(w io.Writer, url string, mask *strings.Replacer) error {
	var body bytes.Buffer
	if err := json.Indent(&body, c.body, "", "  "); err != nil {
		return fmt.Errorf("show the request: %w", err)
	}
	fmt.Fprintln(w, c.request.Method, url)
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
	_, err := fmt.Fprintf(w, "\n%s\n", mask.Replace(body.String()))
	return err
}

// unbraced makes a host of one that is not known, which stands for it in braces.
var unbraced = strings.NewReplacer("{", "", "}", "")

// anyToken lets requests in with a token that is none.
type anyToken struct{}

func (anyToken) Transport(base http.RoundTripper) http.RoundTripper { return tokenless{base} }

type tokenless struct{ base http.RoundTripper }

func (t tokenless) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer none")
	return t.base.RoundTrip(req)
}

// withoutTokens is a configuration that fetches none: a dry run asks for none either.
func withoutTokens(file config.File) config.File {
	if _, bearer := file.LiveDeflect.Auth.(*liveperson.OAuth2); bearer {
		file.LiveDeflect.Auth = anyToken{}
	}
	if file.C2M != nil {
		cfg := *file.C2M
		if _, bearer := cfg.Auth.(*liveperson.OAuth2); bearer {
			cfg.Auth = anyToken{}
		}
		file.C2M = &cfg
	}
	file.Shifts = nil
	return file
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

// masked masks both numbers of a text, wherever they occur.
func masked(t *deflect.Text) *strings.Replacer {
	var forms []string
	for _, n := range []phone.Parsed{t.Customer, t.Dialed} {
		forms = append(forms, n.E164, n.National)
	}
	return masker(forms...)
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
