package config

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// The APIs, as their sections and their backends are called.
const (
	LiveDeflect = "livedeflect"
	C2M         = "c2m"
)

// access is how requests to one API are let in, and whether the file has its section.
type access struct {
	given                               bool
	bearer                              bool // by tokens, for a client id and its secret; else they are signed
	consumerKey, token, clientID        string
	consumer, tokenSecret, clientSecret origin
	sentinelURL                         string
}

// hosts are those of neighbours of the APIs; "" for the Domain API to tell.
type hosts struct{ domain, shiftStatus string }

func (f *File) access(api string) *access {
	if api == C2M {
		return &f.secrets.c2m
	}
	return &f.secrets.live
}

// apis are the APIs that the file has a section of, first the one of profiles that do not
// say by which.
func (f *File) apis() []string {
	return slices.DeleteFunc([]string{LiveDeflect, C2M}, func(api string) bool { return !f.access(api).given })
}

// API is the one by which callers of profiles are texted that do not say by which.
func (f File) API() string {
	if f.secrets.live.given || !f.secrets.c2m.given {
		return LiveDeflect
	}
	return C2M
}

// Speaks reports whether the file has the section of an API.
func (f File) Speaks(api string) bool { return f.access(api).given }

func (f *File) liveDeflect() value {
	api := &f.LiveDeflect
	rows := []row{
		{"site_id", "SiteID", text(&api.SiteID).needing(onChange),
			"LivePerson account id. Required."},
		{"domain", "Domain", text(&api.Domain).needing(onChange),
			"Where the account lives: `va` (North America), `lo` (EMEA) or `sy` (APAC) of `https://va.ivrdeflect.liveperson.net`, or a whole host name. Without it and `base_url`, the Domain API is asked for the region of the account."},
		{"base_url", "BaseURL", text(&api.BaseURL).needing(onChange),
			"Instead of `domain`: https, or plain http to this machine."},
	}
	rows = append(rows, f.credentials(LiveDeflect)...)
	rows = append(rows, f.deadline(LiveDeflect),
		row{"time_unit", "TimeUnit", choice(&api.TimeUnit, is("milliseconds", livedeflect.Milliseconds), is("seconds", livedeflect.Seconds)),
			"Of the times in a request. The default is that of the vendor's example."},
		row{"text_tag_field", "TextTagField", choice(&api.TextTagField,
			is("both", livedeflect.TagBoth), is("deflectionTextTag", livedeflect.TagTextTag), is("deflectionTagText", livedeflect.TagTagText)),
			"The name under which a text's tag is sent."},
		row{"trunk_prefix", "TrunkPrefix", boolean(&api.TrunkPrefix),
			"Sends national numbers with their leading 0: `0400111222` for `+61400111222`. `deflectionHandle` never has one."},
		f.longest(LiveDeflect))
	return f.optional(LiveDeflect, rows)
}

func (f *File) connectToMessaging() value {
	api := &f.c2m
	rows := []row{
		{"account", "Account", text(&api.Account).needing(onChange),
			"LivePerson account id. Required."},
		{"handoff_id", "HandoffID", text(&api.HandoffID),
			"The handoff, such as `H123456789`, of profiles that name none: it has the text, the channels and the skills. Required, here or in each profile."},
		{"base_url", "BaseURL", text(&api.BaseURL).needing(onChange),
			"Where the API is, such as `https://va.connect-to-messaging.liveperson.net`: https, or plain http to this machine."},
	}
	rows = append(rows, f.credentials(C2M)...)
	rows = append(rows,
		row{"reporting_url", "ReportingURL", filled(&api.ReportingURL, "that beside the API"),
			"Where the report is, such as `https://va.cx-reporting.liveperson.net`."},
		row{"shift_status_url", "", text(&f.hosts.shiftStatus).needing(onChange),
			"Who tells whether agents are on shift, for `agents` of a profile."},
		f.deadline(C2M),
		row{"eligibility_deadline", "AskDeadline", duration(&f.Deflect.AskDeadline, "up to `live_deadline`"),
			"Longest that a caller waits unanswered to hear whether there is an offer. Later, there is none (`eligibility_unknown`)."},
		row{"ticket_age", "TicketAge", duration(&api.TicketAge, "1s to 1h"),
			"For how long the answer counts that a caller can be texted. A key press that comes later asks again first. The vendor names no limit."},
		row{"rate", "RatePerSecond", count(&api.RatePerSecond, "1 to 1000"),
			"Requests a second, of all callers together: the vendor's limit is 30. Beyond it, callers are not offered a text (`rate_limited`). With [Redis](#redis) it is of the whole fleet, else of each `deflectd`."},
		row{"channels", "Channels", f.channels(),
			"Those that may be used, the preferred one first: `[wa, sms]`. A caller whom none of them reaches is not offered a text. `inapp` stands alone."},
		row{"ivr_number", "IVRNumber", filled(&api.IVRNumber, "that of the handoff"),
			"The number of the brand that texts come from, where it has several."},
		f.longest(C2M))
	return f.optional(C2M, rows)
}

func (f *File) channels() value {
	dst := &f.c2m.Channels
	channels := list(dst, func(n int) { *dst = make([]c2m.Channel, n) }, func(i int) value {
		return choice(&(*dst)[i], is("sms", c2m.SMS), is("wa", c2m.WhatsApp), is("inapp", c2m.InApp))
	})
	channels = notEmpty(channels, "is empty; remove the key for those of the handoff", "those of the handoff")
	channels.form = "list of `sms`, `wa` and `inapp`"
	return channels
}

// optional is the section of an API, which a file may lack.
func (f *File) optional(api string, rows []row) value {
	v := section(rows...)
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) { f.access(api).given = true; read(d, n, at) }
	return v.unless(func() bool { return !f.access(api).given })
}

// credentials are the keys of an API's section that let its requests in.
func (f *File) credentials(api string) []row {
	a := f.access(api)
	ways, signed := "`oauth1` signs each request with the account's API keys; `oauth2` sends a token, which is fetched for `client_id`.", ""
	if api == C2M {
		ways, signed = "`oauth2` sends a token, which is fetched for `client_id`; `oauth1` signs each request with the account's API keys, as LiveDeflect's are.", " With `auth: oauth1`."
	} else {
		ways += " LivePerson has ended OAuth 1.0 on 31 May 2026."
	}
	return []row{
		{"auth", "", choice(&a.bearer, is("oauth1", false), is("oauth2", true)),
			ways},
		{"consumer_key", "Auth", words(&a.consumerKey),
			"The app key of the account's API keys." + cmp.Or(signed, " Required, unless `auth` is `oauth2`.")},
		{"consumer_secret_file", "", secretFile(&a.consumer, "consumer_secret", "the secret", consumerSecretEnv, func() string { return consumerSecretEnv }),
			"Its secret. Required with it, here or in the environment."},
		{"consumer_secret", "", refused(consumerSecretEnv), ""},
		{"token", "", words(&a.token),
			"Of the API keys. Keys without a token need neither it nor its secret."},
		{"token_secret_file", "", secretFile(&a.tokenSecret, "token_secret", "the secret", tokenSecretEnv, func() string { return tokenSecretEnv }),
			"Its secret."},
		{"token_secret", "", refused(tokenSecretEnv), ""},
		{"client_id", "", words(&a.clientID),
			"Of the app whose tokens are used. Required with `auth: oauth2`."},
		{"client_secret_file", "", secretFile(&a.clientSecret, "client_secret", "the secret", clientSecretEnv, func() string { return clientSecretEnv }),
			"Its secret. Required with it, here or in the environment."},
		{"client_secret", "", refused(clientSecretEnv), ""},
		{"sentinel_url", "", text(&a.sentinelURL),
			"Who gives out the tokens, such as `https://va.sentinel.liveperson.net`. Without it, the Domain API is asked who."},
		{"domain_url", "", shared(text(&f.hosts.domain), &f.hosts.domain, api).needing(onChange),
			"The Domain API, unless it is `https://api.liveperson.net`."},
	}
}

func (f *File) deadline(api string) row {
	dst := &f.Deflect.LiveDeadline
	return row{"live_deadline", "LiveDeadline", shared(duration(dst, "100ms to 1m"), dst, api),
		"Longest that a caller waits for the API, everything included."}
}

func (f *File) longest(api string) row {
	dst := &f.Deflect.MaxTextLength
	return row{"max_text_length", "MaxTextLength", shared(count(dst, ""), dst, api).needing(onChange),
		"Longest text, in characters."}
}

// shared is a value that both APIs have, so that their sections may not say two things of
// it.
func shared[T comparable](v value, dst *T, api string) value {
	other := C2M
	if api == C2M {
		other = LiveDeflect
	}
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) {
		there := other + strings.TrimPrefix(at, api)
		was, bad := *dst, len(d.problems)
		read(d, n, at)
		if d.lines[there] > 0 && *dst != was && len(d.problems) == bad && !d.blames(there) {
			d.bad(at, n.Line, "is not as in %s, and it is one for both: remove one of them", there)
		}
	}
	return v
}
