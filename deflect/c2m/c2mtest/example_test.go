package c2mtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

const account = "/api/account/38856538"

// caller stands for the code under test.
type caller struct {
	client *http.Client
	root   string
	token  string
}

func (c *caller) post(path, kind, body string) (status int, answer string) {
	req, err := http.NewRequest(http.MethodPost, c.root+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", kind)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "no answer"
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err.Error()
	}
	return resp.StatusCode, string(text)
}

func (c *caller) authorize() {
	form := url.Values{"client_id": {"client"}, "client_secret": {"secret"}, "grant_type": {"client_credentials"}}
	_, answer := c.post("/sentinel/api/v2/account/38856538/app/token", "application/x-www-form-urlencoded", form.Encode())
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(answer), &token); err == nil {
		c.token = token.AccessToken
	}
}

func (c *caller) eligible(number string) (callID string) {
	status, answer := c.post(account+"/eligibility?v=2.0", "application/json",
		`{"skill":"sales","consumerPhoneNumber":"`+number+`","handoffId":"H123456789"}`)
	var eligibility struct {
		Eligible bool
		CallID   string
	}
	if err := json.Unmarshal([]byte(answer), &eligibility); err != nil || status != http.StatusOK {
		fmt.Println(status, answer)
	}
	fmt.Println("eligible:", eligibility.Eligible)
	return eligibility.CallID
}

func (c *caller) invite(callID string) {
	fmt.Println(c.post(account+"/invite?v=2.0", "application/json", `{"callId":"`+callID+`"}`))
}

func Example() {
	api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret", Seed: "example"})
	ivr := caller{client: &http.Client{Transport: api}, root: api.URL()}
	ivr.authorize()
	ivr.invite(ivr.eligible("+14043438646"))
	for _, i := range api.Invites() {
		fmt.Println(i.CallID, i.Skill, i.Channel)
	}
	// Output:
	// eligible: true
	// 200 {"callId":"cc8ec7e7-938e-4381-8aea-cb383f79147b"}
	// cc8ec7e7-938e-4381-8aea-cb383f79147b sales sms
}

// Whoever has a conversation is not to be invited.
func ExampleServer_OpenConversation() {
	api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"})
	api.OpenConversation("+14043438646")
	ivr := caller{client: &http.Client{Transport: api}, root: api.URL()}
	ivr.authorize()
	ivr.invite(ivr.eligible("+14043438646"))
	for _, v := range api.Violations() {
		fmt.Println(v.What)
	}
	// Output:
	// eligible: false
	// 400 {"errorMessage":"Message cannot be sent","errorCode":1400}
	// an invite for who was not eligible
}

// The answer is lost, but the message went out: whoever tries again sends two.
func ExampleServer_Inject() {
	api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"})
	api.Inject(c2mtest.CallInvite, c2mtest.Fault{ResetAfter: true})
	ivr := caller{client: &http.Client{Transport: api}, root: api.URL()}
	ivr.authorize()
	ivr.invite(ivr.eligible("+14043438646"))
	fmt.Println("texts:", len(api.Invites()))
	// Output:
	// eligible: true
	// 0 no answer
	// texts: 1
}
