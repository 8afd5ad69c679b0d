package config

import (
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// rows are the keys of the file, bound to f: the one place where a key is made. What a
// new one needs besides is a field that it fills, with its bounds in the Validate of its
// owner, whoever uses that, and a line in testdata/good/full.yaml; -update renews the page
// and the golden files, and the tests name what else compares whole files.
func (f *File) rows() []row {
	engine, api, polls, fs := &f.Deflect, &f.LiveDeflect, &f.Funnel, &f.FreeSWITCH
	return []row{
		{"livedeflect", "LiveDeflect", f.liveDeflect(),
			"The API, unless it is `c2m`. LivePerson's pages contradict themselves in places: `time_unit`, `text_tag_field` and `trunk_prefix` are for that."},
		{"c2m", "C2M", f.connectToMessaging(),
			"Connect to Messaging 2.0, the API that follows LiveDeflect, instead of `livedeflect` or beside it: with both, `api` of a profile says by which its callers are texted. It is asked before a caller is offered a text, and again to send one. Hosts that are not named here are those that LivePerson's Domain API has for the account."},
		{"breaker", "Breaker", section(
			row{"failures", "Failures", count(&engine.Breaker.Failures, ""),
				"Failures in a row that stop the offers."},
			row{"open_for", "OpenFor", duration(&engine.Breaker.OpenFor, ""),
				"How long they stop; then one caller at a time is offered a text, until a request succeeds."},
		), "When callers are no longer offered a text, because the API fails. A breaker whose settings a reload changes begins closed."},
		{"report", "Report", section(
			row{"window", "Window", duration(&api.Report.Window, "1s to 744h"),
				"Longest span that one request asks LiveDeflect for; C2M is asked for a day at most."},
			row{"parallel", "Parallel", count(&api.Report.Parallel, "1 to 16"),
				"Requests to LiveDeflect at once."},
			row{"every", "Every", durationOrNone(&polls.Every, "0s, or 1s to 24h").needing(onSwitch),
				"How often the report is polled for the `deflect_funnel_*` metrics, such as `1m`; `0s` is never."},
			row{"lookback", "Lookback", duration(&polls.Lookback, "1m to 744h, not shorter than `every`"),
				"How far each of these polls reaches back. What a caller answers later than that after the call may be missed."},
		), "The report of the API: what became of the texts."},
		{"settle", "Settle", section(
			row{"disabled", "Disabled", boolean(&engine.Settle.Disabled),
				"Leaves uncertain texts uncertain."},
			row{"after", "After", duration(&engine.Settle.After, "1s or longer"),
				"When the first lookup is; each later one comes after twice as long."},
			row{"limit", "Limit", duration(&engine.Settle.Limit, "`after` to 24h"),
				"When the report has the last word. Make it longer than your account's report lags, or `not_sent` comes too early. C2M's lags by up to 20 minutes: with it, the limit is 25 minutes at least."},
			row{"max", "Max", count(&engine.Settle.Max, ""),
				"How many may be open at once."},
		), "Uncertain texts are looked up in the report, in the background."},
		{"state", "", section(
			row{"dir", "", folder(&f.StateDir, "memory, which a restart empties").needing(onChange),
				"Folder of the journal, such as `/var/lib/deflectd`, for one `deflectd` alone. It is made where there is none. Numbers, names and words are in it as keyed hashes or encrypted; the key is in the folder too."},
			row{"required", "JournalOptional", oneOf("!!bool", ", without quotes", &engine.JournalOptional, []word[bool]{is("true", false), is("false", true)}),
				"`true`: no text is sent that could not be written down before (`failed`, reason `journal`). `false`: it is, and counts in `deflect_journal_failures_total`; after a crash it can be sent a second time."},
			row{"remember", "Remember", duration(&engine.Remember, "1m to 31 days"),
				"How long it is known what became of a call's text. For so long nobody is texted again for the same call, however often it is asked for."},
		), "What outlives a restart: cooldowns, texts that are being sent, in doubt or wait (`later`), and what became of each call. Without `dir` it is in memory: after a restart callers can be texted again within their cooldown, and texts in doubt stay so."},
		{"redis", "Redis", f.fleet(),
			"What several `deflectd` share, so that a caller gets one text from all of them: cooldowns, budgets, opt-outs, and which one serves a key that two of them see. [A fleet](fleet.md) tells what that is and costs. Without it each `deflectd` goes by what it knows itself. It needs `key_file`, and `url`, or `addresses` with `master_name`, or `cluster`."},
		{"max_cooldowns", "MaxCooldowns", count(&engine.MaxCooldowns, ""),
			"Callers in a cooldown who are remembered, some 200 bytes each. A smaller number takes effect at once: the cooldowns that have the least time left end early, and count in `deflect_cooldowns_evicted_total`."},
		{"default_region", "DefaultRegion", filled(&engine.DefaultRegion, "the default US").needing(onChange),
			"ISO 3166 region of numbers without a plus sign. They are read as dialled there, or as beginning with its country code: in region `DE`, `491713920001` is a mobile, although a landline could be written so without its 0. What can be two people's is refused (`number_invalid`)."},
		{"number_check", "NumberCheck", choice(&engine.NumberCheck, is("valid", deflect.ValidNumbers), is("possible", deflect.PossibleNumbers)),
			"What a caller's number has to be: one that its country's number plan has, or just of the length of one (`possible`). That is for ranges that are newer than your `deflectd`: it texts extensions and cut numbers too. Digits that stand for no number (`0000000000`, `1234567890`, ANONYMOUS on a keypad) are `number_hidden`, unless they are somebody's in that country. What is dialled need only be possible."},
		{"freeswitch", "", section(
			row{"outbound", "", section(
				row{"listen", "", text(&f.OutboundListen).needing(onChange),
					"Address and port that FreeSWITCH's `socket` application connects to."},
				row{"allow", "Allow", networks(&fs.Allow),
					"Who may connect: the port has no password. An IPv4-mapped network (`::ffff:10.0.0.0/104`) is the IPv4 one that it names."},
				row{"max_calls", "MaxCalls", count(&fs.MaxCalls, ""),
					"Calls at a time; more are refused, and go on in the dialplan. Fewer are served where no more fit into the limit of open files, as the log and `deflectctl check` say. A much higher number may need a restart, as the log says then."},
				row{"drain", "DrainTimeout", duration(&fs.DrainTimeout, ""),
					"How long live calls go on after the first SIGTERM."},
				row{"first_frame", "FirstFrameTimeout", duration(&fs.FirstFrameTimeout, ""),
					"From the connection to the channel's data."},
				row{"idle", "IdleTimeout", duration(&fs.IdleTimeout, "10s or longer"),
					"Longest silence of the switch: longer than any prompt and any gap."},
			), "Calls that the dialplan hands over."},
			row{"inbound", "Inbound", f.inbound(),
				"Switches whose waiting callers are offered a text. Let one `deflectd` watch a switch, or several that share `redis`, and name each switch once."},
			row{"variables", "Variables", filledList(&fs.Variables, "none"),
				"Channel variables of the dialplan (`deflect_profile`, `deflect_info_plan`) that also count for calls from a browser (`mod_verto`), which can set every one of them."},
			row{"sounds", "Sounds", filled(&fs.Sounds, "the default ivrdeflect"),
				"Where FreeSWITCH finds the shipped prompts (`dialplan/sounds`): a folder on its machine, or one below its `sound_prefix`."},
		), "The phone system."},
		{"http", "", section(
			row{"listen", "", text(&f.HTTPListen).needing(onChange),
				"Address and port of `/metrics`, `/healthz`, `/readyz`, the status page and, from this machine alone, `/-/reload`."},
			row{"status", "", oneOf("!!bool", ", without quotes", &f.NoStatus, []word[bool]{is("true", false), is("false", true)}).needing(onChange),
				"A [status page](README.md#the-status-page) on `/`: do callers get texts now, and if not, why."},
			row{"pprof", "", boolean(&f.Pprof),
				"Serves Go's profiles below `/debug/pprof/`, to this machine alone. For when you look for what is slow; a reload switches it."},
		), "The port of operation."},
		{"log", "", section(
			row{"level", "", choice(&f.Log.Level, is("debug", "debug"), is("info", "info"), is("warn", "warn"), is("error", "error")),
				"The least that is logged."},
			row{"format", "", choice(&f.Log.Format, is("json", "json"), is("text", "text")).needing(onChange),
				"Of the lines."},
		), "On standard error. Lines that nobody reads in time are lost, and counted."},
		{"profiles", "Profiles", f.profiles(),
			"The offer that callers of some dialled numbers get, whom it is made to, and what they hear and are sent. One profile at least."},
	}
}

func (f *File) inbound() value {
	dst := &f.FreeSWITCH.Inbound
	return list(dst,
		func(n int) {
			*dst = make([]freeswitch.Switch, n)
			f.secrets.switches = make([]origin, n)
		},
		func(i int) value {
			sw := &(*dst)[i]
			return section(
				row{"name", "Name", text(&sw.Name),
					"For metrics and logs: 1 to 64 letters, digits, `-` or `_`. Required."},
				row{"address", "Address", text(&sw.Address),
					"Host and port of its event socket, such as `127.0.0.1:8021`. Required."},
				row{"password_file", "Password", secretFile(&f.secrets.switches[i], "password", "the password", "the environment", func() string { return switchEnv(sw.Name) }).printedAbove("address"),
					"The password of its event socket. Its variable is `DEFLECT_FREESWITCH_PASSWORD_` and the name in capitals, with `_` for `-`. Required, here or there."},
				row{"password", "", refused(switchEnvForm), ""},
			)
		}).needing(onChange)
}

func (f *File) profiles() value {
	dst := &f.FreeSWITCH.Profiles
	return list(dst,
		func(n int) {
			*dst = make([]freeswitch.Profile, n)
			f.APIs, f.shifts = make([]string, n), make([]shift, n)
			f.doNotText, f.optOuts, f.traced = make([]string, n), make([]string, n), make([]bool, n)
		},
		func(i int) value {
			return f.profile(&(*dst)[i], &f.APIs[i], &f.shifts[i], &f.doNotText[i], &f.optOuts[i], &f.traced[i])
		})
}

func (f *File) profile(p *freeswitch.Profile, api *string, s *shift, doNotText, optOuts *string, traced *bool) value {
	return section(
		row{"name", "Name", text(&p.Name),
			"1 to 64 letters, digits, `-` or `_`. Required. The channel variable `deflect_profile` names a profile, and cooldowns are kept by it."},
		row{"dialed", "Dialed", numbers(&p.Dialed),
			"Numbers that it serves, with a plus sign or as dialled in `default_region`. Several profiles of the same numbers split their calls, each one `percent` of them, together at most 100: to try another API or text on some callers. A call is of the first one within whose share it falls, always the same; cooldown and budget of all of them are kept together, by the name of the first."},
		row{"api", "", choice(api, is(LiveDeflect, LiveDeflect), is(C2M, C2M)).unless(func() bool { return !f.Speaks(LiveDeflect) || !f.Speaks(C2M) }),
			"Which one sends its texts, where the file has both sections."},
		row{"skill", "Skill", blank(&p.Skill),
			"Of the conversation, unless the channel sets `deflect_skill`."},
		row{"text", "Text", textOrNone(cutAny, &p.Text),
			"What is sent, unless the channel sets `deflect_text`, which is sent as it is. A template of Go's text/template, `Hi {{.FirstName}}{{with .Info.plan}}, {{.}} customer{{end}}`, with the fields `.FirstName`, `.LastName`, `.Skill`, `.Profile` and `.Info.NAME` (caller info). `deflectctl check` counts the messages that a text takes, and names the character that makes it expensive. Without one, LiveDeflect sends its standard welcome, and C2M the text of the handoff; C2M sends one by SMS only."},
		row{"text_tag", "TextTag", blank(&p.TextTag),
			"Tag of the text, unless the channel sets `deflect_text_tag`. C2M has none."},
		row{"handoff_id", "HandoffID", filled(&p.HandoffID, "that of `c2m`"),
			"C2M's handoff of its texts."},
		row{"template_variables", "TemplateVariables", mapping(&p.TemplateVariables, "texts by number", blank),
			"What C2M puts into the placeholders of the handoff's text: `{1: \"the sales team\"}`. The channel sets others, or other words, with `deflect_template_1`."},

		row{"countries", "Countries", filledList(&p.Countries, "any country"),
			"ISO 3166 regions whose numbers are texted: `[US, CA]`."},
		row{"line_types", "LineTypes", choice(&p.LineTypes, is("lenient", deflect.LenientLineTypes), is("strict", deflect.StrictLineTypes)),
			"`lenient` texts what may be a mobile, `strict` only what is known to be one. Number plans do not tell mobiles from landlines in much of the world, North America among them: there, `strict` lets nobody pass, and `deflectctl check` says so."},
		row{"hours", "Hours", section(
			row{"zone", "Zone", filled(&p.Hours.Zone, "no hours, together with week and holidays"),
				"IANA time zone of a place, such as `America/New_York`. Hours are what a clock shows there, also in the nights when it is changed."},
			row{"week", "Week", mapping(&p.Hours.Week, "spans by day", func(dst *[]string) value { return filledList(dst, "a closed day") }),
				"`{mon-fri: [\"09:00-17:00\"], sat: [\"22:00-02:00\"]}`. Days that are not there are closed; a span that ends before it begins runs into the next day."},
			row{"holidays", "Holidays", texts(&p.Hours.Holidays, "!!timestamp"),
				"Days such as `\"2026-12-25\"`, closed from midnight to midnight."},
		), "When the messaging team is there. Without it: always."},
		row{"agents", "Agents", choice(&s.only, is("any", false), is("on_shift", true)),
			"`on_shift`: a text is offered while anybody is on shift for the skill of `skill_id`, by LivePerson's shift status, which is asked every 30 seconds beside the calls. It needs `auth: oauth2`."},
		row{"skill_id", "", filled(&s.skillID, "none"),
			"Id of that skill, which is not its name."},
		row{"agents_unknown", "AgentsUnknown", choice(&p.AgentsUnknown, is("offer", deflect.OfferUnknown), is("refuse", deflect.RefuseUnknown)),
			"While nobody knows: the other rules decide, or no text is offered (`shift_unknown`)."},
		row{"min_wait", "MinWait", durationOrNone(&p.MinWait, ""),
			"Least expected wait that an offer is worth, against `deflect_wait_seconds`. A call that does not say passes."},
		row{"percent", "Withhold", percent(&p.Withhold),
			"So many of 100 calls are offered a text. It goes by the call's id (the first eight bytes of its SHA-256, modulo 100): the same call falls on the same side always, and raising the percentage only adds calls. Profiles that split the calls of a number have their shares one after the other: with 90 and 10, 0 to 89 and 90 to 99."},
		row{"do_not_text_file", "DoNotText", filled(doNotText, "no list"),
			"Numbers that are never texted: one a line, or `sha256:` and the hash of the E.164 number (`printf %s +14043438646 | sha256sum`); `#` begins a comment. Write numbers with `+` and country code. Without, a line is read as dialled in `default_region` and must be able to get texts there; whatever could be something else (another country's number, a date, a second column, a spreadsheet's `.0`) is refused, with what to write instead. Both spellings of a renumbered phone (Argentina, Benin, Brazil, Mexico) are that phone. An empty list is a warning.\n" +
				"The file is looked at every five seconds. New entries count at once. Entries are dropped only when the file was left alone, has no bad line, ends in a line break, and has not lost everything or more than half at once: it may be half written. Let exports end with a line `# end 1234`, the number of entries: then no cut goes unnoticed. Without it, a file that ends between two lines by chance is believed. Restart to drop entries all the same."},
		row{"do_not_text_redis", "", filled(optOuts, "no list"),
			"Name of a list in [Redis](#redis) of numbers that are never texted, beside the file: for those who opt out during the day. `deflectctl state optout` puts a number on it and takes it off; it counts at once, for each `deflectd`. While Redis does not answer, callers of this profile get no text (`opted_out`)."},
		row{"cooldown", "Cooldown,NoCooldown", cooldown(&p.Cooldown, &p.NoCooldown),
			"How long a caller who was texted is not texted again by this profile, across calls; `0s` switches it off. Two calls of one caller at the same moment give one text: the second waits for how the first ends. It is given back when certainly no text was sent, and kept when one may have been. The caller hears the `already_sent` prompt and goes on."},
		row{"budget", "Budget", section(
			row{"texts", "Texts", count(&p.Budget.Texts, "1 to 100000").unless(func() bool { return p.Budget.Texts == 0 }),
				"How many texts."},
			row{"per", "Per", duration(&p.Budget.Per, "1s to 24h").unless(func() bool { return p.Budget.Per == 0 }),
				"In which span, any of this length."},
		), "How many texts of this profile the messaging team can take: `{texts: 60, per: 10m}`. Above it, callers are not offered one (`budget`). Without it there is no limit. With [Redis](#redis) it is of the whole fleet, else of each `deflectd`."},
		row{"consent", "Consent", choice(&p.Consent, is("implied", deflect.ConsentImplied), is("variable", deflect.ConsentRequired)),
			"`implied`: pressing the key agrees. `variable`: only callers of whom the channel says `deflect_consent=true` are offered a text."},
		row{"later", "Later", section(
			row{"closed", "Closed", durationOrNone(&p.Later.Closed, "0s to 7 days"),
				"Offers a text outside of `hours`, for when the team is back, if that is at most so long away. `0s` offers none."},
			row{"failed", "Failed", durationOrNone(&p.Later.Failed, "0s to 24h"),
				"How long a text is tried again that a caller asked for and that certainly was not sent: the breaker is open, the API cannot be reached or takes no more, or the deadline passed before anything left. `0s` tries it no more."},
			row{"spread", "Spread", duration(&p.Later.Spread, "up to 24h"),
				"Over how long the texts of a closed time go out after it, so that agents are not flooded."},
			row{"prompts", "", prompts(&p.Prompts, true),
				"What callers hear of it, as in `prompts` below."},
		), "Texts that wait (`deferred`) instead of not being sent. Before one goes out, what protects who is texted is asked again. It needs `state.dir`."},

		row{"accept_digit", "AcceptDigit", filled(&p.AcceptDigit, "the default 1"),
			"The key that asks for a text: one of 0-9, `*` and `#`."},
		row{"decline_digit", "DeclineDigit", filled(&p.DeclineDigit, "the default 2"),
			"The key that says no."},
		row{"repeat", "Repeat", count(&p.Repeat, "1 to 10"),
			"How often the offer is played."},
		row{"gap", "Gap", duration(&p.Gap, "up to 1m, shorter than `idle`"),
			"How long to listen after it."},
		row{"on_sent", "OnSent", section(
			row{"transfer", "Transfer", filled(&p.OnSent.Transfer, "leaving the caller in the queue"),
				"Extension, dialplan and context that they are transferred to, such as `\"9999 XML public\"`."},
		).printedAbove("cooldown"), "What becomes of waiting callers (`freeswitch.inbound`) who were texted."},
		row{"confirm", "Confirm", choice(&p.Confirm, is("off", false), is("ask", true)),
			"`ask`: did you get it? After the `sent` prompt. `deflect_confirmed` is `true` only for a yes, and the dialplan keeps the queue place of everybody else."},
		row{"confirm_gap", "ConfirmGap", duration(&p.ConfirmGap, "up to 1m, shorter than `idle`"),
			"How long to wait for the answer."},
		row{"number", "AskNumber", choice(&p.AskNumber, is("caller", false), is("ask", true)),
			"`ask`: a caller whose own number is refused for what it is (hidden, landline, country) can key in another one. It is read back with FreeSWITCH's `say` (which needs the say module and the digits of the language, as in FreeSWITCH's sound packages), confirmed or corrected, and has to pass the same rules."},
		row{"number_entry", "NumberEntry", section(
			row{"min_digits", "MinDigits", count(&p.NumberEntry.MinDigits, "1 to `max_digits`"),
				"Fewest digits of a number."},
			row{"max_digits", "MaxDigits", count(&p.NumberEntry.MaxDigits, "1 to 20"),
				"Digits at which it ends by itself."},
			row{"terminator", "Terminator", filled(&p.NumberEntry.Terminator, "the default #"),
				"The key that ends it: `#` or `*`."},
			row{"gap", "Gap", duration(&p.NumberEntry.Gap, "up to 1m, shorter than `idle`"),
				"Silence that ends it."},
			row{"tries", "Tries", count(&p.NumberEntry.Tries, "1 to 10"),
				"How often a caller may try."},
		), "How another number is keyed in."},
		row{"language", "Language", filled(&p.Language, "the default en"),
			"Of `prompts` and `text`, and of callers whose language is not among `languages`."},
		row{"prompts", "Prompts", prompts(&p.Prompts, false),
			"What callers hear: anything that FreeSWITCH's `playback` takes. One that is not set is the shipped one of its language (English is shipped). For callers who wait (`freeswitch.inbound`), all but `offer` are single words: no blanks, quotes, backslashes and no `::`."},
		row{"languages", "Languages", mapping(&p.Languages, "keys by language", func(t *freeswitch.Translation) value {
			return section(
				row{"prompts", "Prompts", prompts(&t.Prompts, false),
					"What these callers hear. A language that lacks a prompt which they could come to hear is refused."},
				row{"text", "Text", textOrNone(cutAny, &t.Text),
					"What they are sent. Required where the profile has a text."},
				row{"later", "Later", section(row{"prompts", "", prompts(&t.Prompts, true), "What they hear of it."}),
					"Texts that wait: its `prompts`."},
			)
		}), "What callers of other languages hear and get: `{es: {text: \"Gracias.\", prompts: {offer: ivr/es/offer.wav, ...}}}`. The channel variable `deflect_language` chooses; `es-MX` falls back to `es`, and what is not there to the profile's own `language`."},
		row{"trace", "", boolean(traced),
			"`true`: `deflectctl trace` shows its last calls step by step. They are kept in memory, for a day at most, with the numbers and words that are in them."},
	)
}

// prompts are what callers hear, those of texts that wait or the others; a question has to
// be heard.
func prompts(p *freeswitch.Prompts, later bool) value {
	var rows []row
	for prompt, dst := range p.All() {
		key, waits := strings.CutPrefix(prompt.Key, "later_")
		if waits != later {
			continue
		}
		v := textOrNone(cutGlued, dst)
		if prompt.Question {
			v.form = "text"
		}
		rows = append(rows, row{key, prompt.Field, v, prompt.When})
	}
	return section(rows...)
}
