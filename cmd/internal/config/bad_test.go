package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secret is the text of every secret in the tests, so that one search finds it
// wherever it leaks.
const secret = "opensesame"

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(key string) string { return m[key] }
}

var (
	nothing    = env()
	consumer   = env(consumerSecretEnv, secret)
	client     = env(clientSecretEnv, secret)
	keysOfBoth = env(consumerSecretEnv, secret, clientSecretEnv, secret)
	both       = env(consumerSecretEnv, secret, tokenSecretEnv, secret)
	switches   = env(consumerSecretEnv, secret, "DEFLECT_FREESWITCH_PASSWORD_FS1", secret, "DEFLECT_FREESWITCH_PASSWORD_FS2", secret,
		"DEFLECT_FREESWITCH_PASSWORD_FS3", secret, "DEFLECT_FREESWITCH_PASSWORD_FS_1", secret)
	twoLines = env(consumerSecretEnv, secret+"\n"+secret)
)

// badFiles is one file per rule, in testdata/bad, and all that is said about it.
var badFiles = []struct {
	name   string
	getenv func(string) string
	want   string // line: path: text
}{
	{"c2m_urls", keysOfBoth, `5: c2m.base_url: is plain http to another machine: requests carry numbers; use https
6: c2m.sentinel_url: may hold scheme, host, port and path only
7: c2m.reporting_url: has no host; it looks like https://host
8: c2m.shift_status_url: must be https (or http to a loopback address)
9: c2m.domain_url: is plain http to another machine: requests carry numbers; use https`},
	{"c2m_keys_of_other_auth", keysOfBoth, `5: livedeflect.consumer_key: is of auth: oauth1, and auth is oauth2: remove it, or write auth: oauth1
6: livedeflect.token_secret_file: is of auth: oauth1, and auth is oauth2: remove it, or write auth: oauth1
8: c2m.consumer_key: is missing: the app key of the account's API keys
12: c2m.client_id: is of auth: oauth2, and auth is oauth1: remove it, or write auth: oauth2
13: c2m.sentinel_url: is of auth: oauth2, and auth is oauth1: remove it, or write auth: oauth2`},
	{"c2m_missing", nothing, `1: c2m.client_id: is missing: the id of the app whose tokens are used
1: c2m.client_secret_file: is missing: name a file that holds the secret, or set DEFLECT_CLIENT_SECRET
1: c2m.account: is missing: the LivePerson account id
4: profiles[0].handoff_id: is missing: the id of a handoff, such as H123456789, here or in c2m for all profiles`},
	{"c2m_secret_in_file", nothing, `5: c2m.client_secret: does not belong in this file: write it to a file of its own and name that in c2m.client_secret_file, or set DEFLECT_CLIENT_SECRET`},
	{"c2m_secret_twice", client, `1: c2m.client_secret_file: and DEFLECT_CLIENT_SECRET in the environment are both given: keep one`},
	{"c2m_channels", keysOfBoth, `3: c2m.handoff_id: is not a handoff id such as H123456789 (at most 16 characters)
5: c2m.channels[0]: must be sms, wa or inapp
5: c2m.channels[1]: must be sms, wa or inapp`},
	{"c2m_channels_alone", keysOfBoth, `5: c2m.channels[1]: inapp stands alone: a handoff that has it has no other channel
5: c2m.channels[2]: "sms" comes twice
6: c2m.ivr_number: is not a number (digits, with a plus sign or without)`},
	{"c2m_channels_empty", keysOfBoth, `1: c2m.channels: is empty; remove the key for those of the handoff`},
	{"c2m_bounds", keysOfBoth, `2: c2m.account: is not an account id (letters and digits)
6: c2m.eligibility_deadline: is 3s; must not be longer than live_deadline (2s)
7: c2m.ticket_age: is 2h0m0s; must be between 1s and 1h
8: c2m.rate: is 1001; must be between 1 and 1000
9: c2m.max_text_length: is 1601; at most 1600 with c2m, which takes no longer text
10: report.window: is 500ms; must be between 1s and 744h`},
	{"c2m_two_values", keysOfBoth, `12: c2m.live_deadline: is not as in livedeflect.live_deadline, and it is one for both: remove one of them
13: c2m.max_text_length: is not as in livedeflect.max_text_length, and it is one for both: remove one of them
14: c2m.domain_url: is not as in livedeflect.domain_url, and it is one for both: remove one of them`},
	{"c2m_two_accounts", keysOfBoth, `3: c2m.account: is another one than livedeflect.site_id, and hosts are asked for of one account only: give the URLs of one of them (base_url, sentinel_url)`},
	{"c2m_site_id", keysOfBoth, `1: c2m.client_id: is missing: the id of the app whose tokens are used
1: c2m.account: is missing: the LivePerson account id
2: c2m.site_id: is not a known key; known here: account, handoff_id, base_url, auth, consumer_key, consumer_secret_file, token, token_secret_file, client_id, client_secret_file, sentinel_url, domain_url, reporting_url, shift_status_url, live_deadline, eligibility_deadline, ticket_age, rate, channels, ivr_number, max_text_length
3: c2m.domain: is not a known key; known here: account, handoff_id, base_url, auth, consumer_key, consumer_secret_file, token, token_secret_file, client_id, client_secret_file, sentinel_url, domain_url, reporting_url, shift_status_url, live_deadline, eligibility_deadline, ticket_age, rate, channels, ivr_number, max_text_length
5: profiles[0].handoff_id: is missing: the id of a handoff, such as H123456789, here or in c2m for all profiles`},
	{"api_without_section", keysOfBoth, `3: profiles[0].api: needs the section c2m, which is missing
4: profiles[1].api: must be livedeflect or c2m`},
	{"handoff_form", keysOfBoth, `5: profiles[0].handoff_id: has 17 characters; at most 16
6: profiles[0].template_variables: has a name that is not of one to three digits, such as 1
11: profiles[1].template_variables.2: must be text: put it in quotes
11: profiles[1].template_variables.1: holds invalid UTF-8 or control characters
12: profiles[2].handoff_id: is missing: the id of a handoff, such as H123456789, here or in c2m for all profiles`},
	{"agents_without_token", keysOfBoth, `3: profiles[0].agents: is on_shift, which is told for a token only: it needs auth: oauth2 in livedeflect
4: profiles[1].skill_id: is missing: the number of the skill, as LivePerson's API of skills has it, in quotes, for agents: on_shift
5: profiles[2].skill_id: must be the number of the skill, as LivePerson's API of skills has it, in quotes
6: profiles[3].agents: must be any or on_shift
6: profiles[3].agents_unknown: must be offer or refuse`},
	{"split_over", consumer, `5: profiles[2].dialed: are the numbers of profile "sales" too, and percent is 101 together: at most 100, so that each call has one profile`},
	{"split_numbers", consumer, `4: profiles[1].dialed: has some numbers of profile "sales": profiles that split calls have all their numbers in common`},
	{"accept_digit_form", consumer, `11: profiles[0].accept_digit: must be one of 0-9, * and #`},
	{"alias_without_anchor", consumer, `4: is not YAML: an alias has no anchor (put text that begins with * in quotes)`},
	{"allow_address", consumer, `7: freeswitch.outbound.allow[0]: is an address, not a network: add /32 for this address alone
7: freeswitch.outbound.allow[1]: is an address, not a network: add /128 for this address alone`},
	{"allow_empty", consumer, `7: freeswitch.outbound.allow: is empty: nobody could connect`},
	{"allow_form", consumer, `7: freeswitch.outbound.allow[0]: must be a network in quotes, such as "10.0.0.0/8"`},
	{"base_url_plain_http", consumer, `3: livedeflect.base_url: is plain http to another machine: requests carry numbers; use https`},
	{"base_url_with_password", consumer, `3: livedeflect.base_url: may hold scheme, host, port and path only`},
	{"base_url_without_host", consumer, `3: livedeflect.base_url: has no host; it looks like https://host`},
	{"boolean_in_quotes", consumer, `5: livedeflect.trunk_prefix: must be true or false, without quotes`},
	{"boolean_is_yes", consumer, `5: livedeflect.trunk_prefix: must be true or false, without quotes`},
	{"consumer_key_missing", consumer, `1: livedeflect.consumer_key: is missing: the app key of the account's API keys`},
	{"consumer_secret_in_file", nothing, `5: livedeflect.consumer_secret: does not belong in this file: write it to a file of its own and name that in livedeflect.consumer_secret_file, or set DEFLECT_CONSUMER_SECRET`},
	{"consumer_secret_missing", nothing, `1: livedeflect.consumer_secret_file: is missing: name a file that holds the secret, or set DEFLECT_CONSUMER_SECRET`},
	{"consumer_secret_twice", consumer, `5: livedeflect.consumer_secret_file: and DEFLECT_CONSUMER_SECRET in the environment are both given: keep one`},
	{"count_in_quotes", consumer, `7: freeswitch.outbound.max_calls: must be a whole number of 1 or more, without quotes`},
	{"count_is_fraction", consumer, `11: profiles[0].repeat: must be a whole number of 1 or more, without quotes`},
	{"count_is_huge", consumer, `5: livedeflect.max_text_length: must be a whole number of 1 or more, without quotes`},
	{"count_is_zero", consumer, `13: breaker.failures: must be a whole number of 1 or more, without quotes`},
	{"default_region", consumer, `13: default_region: "USA" is not an ISO 3166 region such as US`},
	{"default_region_empty", consumer, `13: default_region: is empty; remove the key for the default US`},
	{"dialed_empty", consumer, `9: profiles[0].dialed: is empty: remove it to serve the numbers that no other profile names`},
	{"dialed_form", consumer, `9: profiles[0].dialed[0]: is not a telephone number such as +18005550100`},
	{"dialed_is_number", consumer, `9: profiles[0].dialed[0]: must be text: put it in quotes`},
	{"dialed_twice", consumer, `13: profiles[1].dialed[0]: is served by profile "sales" already`},
	{"digit_is_empty", consumer, `11: profiles[0].decline_digit: is empty; remove the key for the default 2`},
	{"digit_is_number", consumer, `11: profiles[0].accept_digit: must be text: put it in quotes`},
	{"digits_same", consumer, `11: profiles[0].decline_digit: is the accept digit too`},
	{"domain_and_base_url", consumer, `5: livedeflect.base_url: and domain are both given: keep one`},
	{"domain_form", consumer, `3: livedeflect.domain: is not a label such as va, nor a host name`},
	{"duplicate_key", consumer, `5: livedeflect.domain: is given twice, first in line 3: keep one`},
	{"duplicate_section", consumer, `13: livedeflect: is given twice, first in line 1: keep one`},
	{"duration_is_bare", consumer, `5: livedeflect.live_deadline: is a bare number: give it a unit, such as 4s or 500ms`},
	{"duration_is_list", consumer, `7: freeswitch.outbound.idle: must be a time with its unit, such as 4s, 500ms or 1m30s`},
	{"duration_is_negative", consumer, `7: freeswitch.outbound.drain: must be longer than 0s; remove the key for the default`},
	{"duration_is_word", consumer, `13: breaker.open_for: must be a time with its unit, such as 4s, 500ms or 1m30s`},
	{"duration_is_zero", consumer, `11: profiles[0].gap: must be longer than 0s; remove the key for the default`},
	{"empty", consumer, `1: is empty: copy examples/freeswitch/starter.yaml and change it`},
	{"every_is_negative", consumer, `3: report.every: must be 0s or longer`},
	{"gap_long", consumer, `11: profiles[0].gap: is 2m0s; must be between 1ms and 1m`},
	{"inbound_address_form", switches, `7: freeswitch.inbound[0].address: must be a host and the port of its event socket, such as 127.0.0.1:8021
8: freeswitch.inbound[1].address: must be a host and the port of its event socket, such as 127.0.0.1:8021
9: freeswitch.inbound[2].address: must be a host and the port of its event socket, such as 127.0.0.1:8021`},
	{"inbound_address_twice", switches, `8: freeswitch.inbound[1].address: is that of switch "fs1" too: a key press would be seen twice`},
	{"inbound_name_form", switches, `7: freeswitch.inbound[0].name: must be 1 to 64 letters, digits, '-' or '_'`},
	{"inbound_name_twice", switches, `8: freeswitch.inbound[1].name: "fs1" is the name of an earlier switch too`},
	{"inbound_password_in_file", consumer, `7: freeswitch.inbound[0].password: does not belong in this file: write it to a file of its own and name that in freeswitch.inbound[0].password_file, or set DEFLECT_FREESWITCH_PASSWORD_ and its name in capitals`},
	{"inbound_password_missing", consumer, `7: freeswitch.inbound[0].password_file: is missing: name a file that holds the password of the event socket, or set DEFLECT_FREESWITCH_PASSWORD_FS_1`},
	{"inbound_prompt_blank", switches, `13: profiles[0].prompts.sent: holds a blank, a quote, a backslash or ::, which cannot be played to callers who wait (inbound)`},
	{"inbound_password_same", env(consumerSecretEnv, secret, "DEFLECT_FREESWITCH_PASSWORD_FS_1", secret), `8: freeswitch.inbound[1].name: takes its password from the same variable as switch "fs-1" (DEFLECT_FREESWITCH_PASSWORD_FS_1): give it a file`},
	{"inbound_sounds_blank", switches, `8: freeswitch.sounds: holds a blank, a quote, a backslash or ::, which cannot be played to callers who wait (inbound)`},
	{"on_sent_empty", switches, `13: profiles[0].on_sent.transfer: is empty; remove the key for leaving the caller in the queue`},
	{"on_sent_option", switches, `13: profiles[0].on_sent.transfer: must be an extension, a dialplan and a context, such as "9999 XML public"`},
	{"on_sent_short", switches, `13: profiles[0].on_sent.transfer: must be an extension, a dialplan and a context, such as "9999 XML public"`},
	{"on_sent_form", switches, `13: profiles[0].on_sent.transfer: must be an extension, a dialplan and a context, such as "9999 XML public"`},
	{"key_not_a_word", consumer, `5: livedeflect: has a key that is not a word; its keys are: site_id, domain, base_url, auth, consumer_key, consumer_secret_file, token, token_secret_file, client_id, client_secret_file, sentinel_url, domain_url, live_deadline, time_unit, text_tag_field, trunk_prefix, max_text_length`},
	{"list_is_text", consumer, `9: profiles[0].dialed: must be a list: [..., ...] or lines that begin with -`},
	{"listen_is_number", consumer, `13: http.listen: must be text: put it in quotes`},
	{"listen_port_name", consumer, `13: http.listen: must be an address and a port, such as 127.0.0.1:9180`},
	{"listen_same", consumer, `13: http.listen: is the address of freeswitch.outbound.listen too: give them different ports`},
	{"listen_without_port", consumer, `7: freeswitch.outbound.listen: must be an address and a port, such as 127.0.0.1:8084`},
	{"live_deadline_long", consumer, `5: livedeflect.live_deadline: is 2m0s; must be between 100ms and 1m, a caller is waiting`},
	{"live_deadline_short", consumer, `5: livedeflect.live_deadline: is 50ms; must be between 100ms and 1m, a caller is waiting`},
	{"livedeflect_missing", consumer, `1: has neither livedeflect nor c2m: one of them says which API sends the texts, and for which account`},
	{"log_format", consumer, `13: log.format: must be json or text`},
	{"log_level", consumer, `13: log.level: must be debug, info, warn or error`},
	{"merge_key", consumer, `10: profiles[0]: has a key that is not a word; its keys are: name, dialed, api, skill, text, text_tag, handoff_id, template_variables, countries, line_types, hours, agents, skill_id, agents_unknown, min_wait, percent, do_not_text_file, do_not_text_redis, cooldown, budget, consent, later, accept_digit, decline_digit, repeat, gap, on_sent, confirm, confirm_gap, number, number_entry, language, prompts, languages, trace`},
	{"not_a_mapping", consumer, `1: is not a configuration: it must hold keys such as livedeflect and profiles`},
	{"null_document", consumer, `1: is empty: copy examples/freeswitch/starter.yaml and change it`},
	{"only_comments", consumer, `1: is empty: copy examples/freeswitch/starter.yaml and change it`},
	{"profile_name_form", consumer, `8: profiles[0].name: must be 1 to 64 letters, digits, '-' or '_'`},
	{"profile_name_missing", consumer, `8: profiles[0].name: must be 1 to 64 letters, digits, '-' or '_'`},
	{"profile_name_twice", consumer, `13: profiles[1].name: "sales" is the name of an earlier profile too`},
	{"profiles_are_keys", consumer, `7: profiles: must be a list: [..., ...] or lines that begin with -`},
	{"profiles_empty", consumer, `7: profiles: is empty: no caller could be offered a text`},
	{"profiles_missing", consumer, `1: profiles: is empty: no caller could be offered a text`},
	{"prompt_control", consumer, `12: profiles[0].prompts.offer: holds a control character`},
	{"prompt_expands", consumer, `12: profiles[0].prompts.offer: holds ${, which the switch would expand; prompts are fixed`},
	{"prompt_space", consumer, `12: profiles[0].prompts.sent: begins or ends with a space`},
	{"repeat_many", consumer, `11: profiles[0].repeat: is 11; must be between 1 and 10`},
	{"report_bounds", consumer, `4: report.window: is 500ms; must be between 1s and 744h
5: report.parallel: is 17; must be between 1 and 16
6: report.every: is 500ms; must be 0 for never, or between 1s and 24h
7: report.lookback: is 1s; must be between 1m and 744h, and not shorter than the time between two polls`},
	{"second_document", consumer, `13: begins a second document: remove the line "---" and what follows`},
	{"secret_env_lines", twoLines, `1: livedeflect.consumer_secret_file: is not given, and DEFLECT_CONSUMER_SECRET holds more than one line of text: it must hold the secret alone`},
	{"secret_file_empty", nothing, `5: livedeflect.consumer_secret_file: is an empty file: write the secret into it`},
	{"secret_file_is_directory", nothing, `5: livedeflect.consumer_secret_file: cannot be read: it is a directory (relative names are looked for beside the configuration)`},
	{"secret_file_long", nothing, `5: livedeflect.consumer_secret_file: holds more than one line of text: it must hold the secret alone`},
	{"secret_file_missing", nothing, `5: livedeflect.consumer_secret_file: cannot be read: no such file or directory (relative names are looked for beside the configuration)`},
	{"secret_file_unnamed", consumer, `5: livedeflect.consumer_secret_file: is empty; remove the key for the secret in DEFLECT_CONSUMER_SECRET`},
	{"secret_without_token", both, `1: livedeflect.token: is missing, but there is a token secret: give both or none`},
	{"section_is_empty", consumer, `13: breaker: must hold keys: failures, open_for`},
	{"section_is_text", consumer, `13: breaker: must hold keys: failures, open_for`},
	{"settle_bounds", consumer, `4: settle.after: is 500ms; must be at least 1s
5: settle.limit: is 25h0m0s; must be between the first lookup and 24h
6: settle.max: must be a whole number of 1 or more, without quotes`},
	{"several", nothing, `1: livedeflect.consumer_key: is missing: the app key of the account's API keys
2: livedeflect.site_id: must be text: put it in quotes
4: livedeflect.live_deadline: is a bare number: give it a unit, such as 4s or 500ms
5: livedeflect.consumer_secret: does not belong in this file: write it to a file of its own and name that in livedeflect.consumer_secret_file, or set DEFLECT_CONSUMER_SECRET
6: breaker.failures: must be a whole number of 1 or more, without quotes
7: default_region: "XX" is not an ISO 3166 region such as US
9: freeswitch.outbound.allow[0]: is an address, not a network: add /32 for this address alone
9: freeswitch.outbound.listen: must be an address and a port, such as 127.0.0.1:8084
13: profiles[0].accept_digit: must be text: put it in quotes
14: profiles[0].text: holds invalid UTF-8 or control characters
15: profiles[0].colour: is not a known key; known here: name, dialed, api, skill, text, text_tag, handoff_id, template_variables, countries, line_types, hours, agents, skill_id, agents_unknown, min_wait, percent, do_not_text_file, do_not_text_redis, cooldown, budget, consent, later, accept_digit, decline_digit, repeat, gap, on_sent, confirm, confirm_gap, number, number_entry, language, prompts, languages, trace
16: profiles[1].name: "sales" is the name of an earlier profile too
16: profiles[1].dialed: is missing: profile "sales" already serves the numbers that no profile names
17: profiles[1].gap: is 5m0s; must be between 1ms and 1m
18: profiles[1].repeat: is 20; must be between 1 and 10`},
	{"site_id_form", consumer, `2: livedeflect.site_id: is not an account id (letters and digits)`},
	{"site_id_missing", consumer, `1: livedeflect.site_id: is missing: the LivePerson account id`},
	{"skill_control", consumer, `10: profiles[0].skill: holds invalid UTF-8 or control characters`},
	{"state_dir_empty", consumer, `13: state.dir: is empty; remove the key for memory, which a restart empties`},
	{"state_required_form", consumer, `13: state.required: must be true or false, without quotes`},
	{"syntax", consumer, `3: is not YAML: mapping values are not allowed in this context (put text that holds a colon and a blank in quotes)`},
	{"tabs", consumer, `3: is not YAML: found character that cannot start any token (indent with blanks, not with tabs)`},
	{"tag_mismatch", consumer, `2: livedeflect.site_id: must be text: put it in quotes`},
	{"text_control", consumer, `11: profiles[0].text: holds invalid UTF-8 or control characters`},
	{"text_is_list", consumer, `11: profiles[0].text: must be text: put it in quotes, as it begins with { or [; write "" for none`},
	{"text_is_null", consumer, `11: profiles[0].text: must be text; write "" for none`},
	{"text_is_number", consumer, `2: livedeflect.site_id: must be text: put it in quotes`},
	{"text_long", consumer, `12: profiles[0].text: has 11 characters; at most 10`},
	{"text_tag_control", consumer, `11: profiles[0].text_tag: holds invalid UTF-8 or control characters`},
	{"text_tag_field", consumer, `5: livedeflect.text_tag_field: must be both, deflectionTextTag or deflectionTagText`},
	{"time_unit", consumer, `5: livedeflect.time_unit: must be milliseconds or seconds`},
	{"token_secret_in_file", consumer, `1: livedeflect.token: is missing, but there is a token secret: give both or none
5: livedeflect.token_secret: does not belong in this file: write it to a file of its own and name that in livedeflect.token_secret_file, or set DEFLECT_TOKEN_SECRET`},
	{"token_secret_twice", both, `6: livedeflect.token_secret_file: and DEFLECT_TOKEN_SECRET in the environment are both given: keep one`},
	{"token_without_secret", consumer, `1: livedeflect.token_secret_file: is missing: a token needs its secret, in a file or in DEFLECT_TOKEN_SECRET (keys without a token need neither)`},
	{"two_defaults", consumer, `14: profiles[2].dialed: is missing: profile "b" already serves the numbers that no profile names`},
	{"confirm_form", consumer, `11: profiles[0].confirm: must be off or ask`},
	{"consent_form", consumer, `11: profiles[0].consent: must be implied or variable`},
	{"cooldown_is_bare", consumer, `11: profiles[0].cooldown: is a bare number: give it a unit, such as 4s or 500ms`},
	{"cooldown_short", consumer, `11: profiles[0].cooldown: is 10ms; must be between 1s and 31 days`},
	{"countries_empty", consumer, `11: profiles[0].countries: is empty; remove the key for any country`},
	{"country_form", consumer, `11: profiles[0].countries[1]: is not an ISO 3166 region such as US`},
	{"do_not_text_form", consumer, `11: profiles[0].do_not_text_file: line 1 is neither a telephone number nor sha256: and 64 hex digits (1 such lines)`},
	{"do_not_text_missing", consumer, `11: profiles[0].do_not_text_file: cannot be read: no such file or directory (relative names are looked for beside the configuration)`},
	{"hours_day", consumer, `11: profiles[0].hours.week.monday: is no day; days are mon, tue, wed, thu, fri, sat, sun, and ranges such as mon-fri`},
	{"hours_day_twice", consumer, `11: profiles[0].hours.week.mon: is given twice, first in line 11: keep one`},
	{"hours_holiday", consumer, `11: profiles[0].hours.holidays[0]: is not a date such as "2026-12-25"`},
	{"hours_span", consumer, `11: profiles[0].hours.week.mon[0]: is not a span such as "09:00-17:00"`},
	{"hours_zone", consumer, `11: profiles[0].hours.zone: is not an IANA time zone such as America/New_York`},
	{"hours_zone_missing", consumer, `11: profiles[0].hours.zone: is missing: the time zone of the hours, such as America/New_York`},
	{"language_form", consumer, `11: profiles[0].language: is not a language such as en or es-MX`},
	{"language_key", consumer, `11: profiles[0].languages: has a key of characters other than letters, digits, comma, hyphen and underscore`},
	{"language_without_prompt", consumer, `11: profiles[0].languages.es.prompts.already_sent: is missing: there is no shipped prompt in es; name a file, or "" for none`},
	{"language_without_text", consumer, `13: profiles[0].languages.es.text: is missing: callers would get a text in en; give one, or "" for none (LiveDeflect then sends its standard welcome)`},
	{"later_bounds", consumer, `11: profiles[0].later.closed: is 200h0m0s; must be between 0s and 7 days`},
	{"later_without_prompt", consumer, `14: profiles[0].languages.es.later.prompts.offer: is missing: there is no shipped prompt in es; name a file
17: profiles[0].later.prompts.offer: holds ${, which the switch would expand; prompts are fixed`},
	{"later_without_state", consumer, `11: profiles[0].later: needs state.dir, such as /var/lib/deflectd: texts that wait in memory would be lost with a restart`},
	{"line_types_form", consumer, `11: profiles[0].line_types: must be lenient or strict`},
	{"min_wait_is_negative", consumer, `11: profiles[0].min_wait: must be 0s or longer`},
	{"number_check_form", consumer, `13: number_check: must be valid or possible`},
	{"number_entry_bounds", consumer, `12: profiles[0].number_entry.min_digits: is 9; must be between 1 and the most digits (8)
12: profiles[0].number_entry.terminator: must be # or *: a digit may be part of the number
12: profiles[0].number_entry.tries: is 20; must be between 1 and 10
14: profiles[0].prompts.number: is missing: the shipped prompt names other keys (1 and 2, and # at the end of a number)`},
	{"number_form", consumer, `11: profiles[0].number: must be caller or ask`},
	{"offer_none", consumer, `11: profiles[0].prompts.offer: is none: it is a question, and the caller would hear nothing`},
	{"percent_high", consumer, `11: profiles[0].percent: must be a whole number from 0 to 100, without quotes`},
	{"percent_in_quotes", consumer, `11: profiles[0].percent: must be a whole number from 0 to 100, without quotes`},
	{"prompt_dash", consumer, `11: profiles[0].prompts.sent: must be text; write "" for none`},
	{"prompt_other_keys", consumer, `13: profiles[0].prompts.number_confirm: is missing: the shipped prompt names other keys (1 and 2, and # at the end of a number)`},
	{"text_template", consumer, `11: profiles[0].text: has no field .Name; fields are .FirstName, .LastName, .Skill, .Profile and .Info.NAME`},
	{"sounds_expand", consumer, `6: freeswitch.sounds: holds ${, which the switch would expand; prompts are fixed`},
	{"language_text_long", consumer, `12: profiles[0].languages.en-GB.text: has 31 characters; at most 20`},
	{"unknown_key", consumer, `5: livedeflect.sub_domain: is not a known key; known here: site_id, domain, base_url, auth, consumer_key, consumer_secret_file, token, token_secret_file, client_id, client_secret_file, sentinel_url, domain_url, live_deadline, time_unit, text_tag_field, trunk_prefix, max_text_length`},
	{"unknown_profile_key", consumer, `11: profiles[0].digit: is not a known key; known here: name, dialed, api, skill, text, text_tag, handoff_id, template_variables, countries, line_types, hours, agents, skill_id, agents_unknown, min_wait, percent, do_not_text_file, do_not_text_redis, cooldown, budget, consent, later, accept_digit, decline_digit, repeat, gap, on_sent, confirm, confirm_gap, number, number_entry, language, prompts, languages, trace`},
	{"variables_empty", consumer, `6: freeswitch.variables: is empty; remove the key for none`},
	{"variables_name", consumer, `6: freeswitch.variables[1]: "deflect_outcome" is no variable that the dialplan can set for us, such as deflect_profile or deflect_info_plan`},
	{"unknown_section", consumer, `13: breakers: is not a known key; known here: livedeflect, c2m, breaker, report, settle, state, redis, max_cooldowns, default_region, number_check, freeswitch, http, log, profiles`},
}

func TestBadFiles(t *testing.T) {
	seen := map[string]bool{}
	for _, tt := range badFiles {
		seen[tt.name+".yaml"] = true
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join("testdata", "bad", tt.name+".yaml")
			f, err := Load(name, tt.getenv)
			var problems *Error
			if !errors.As(err, &problems) {
				t.Fatalf("Load() error = %v, want an *Error", err)
			}
			want := name + ":" + strings.ReplaceAll(tt.want, "\n", "\n"+name+":")
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a secret:\n%v", err)
			}
			if len(f.FreeSWITCH.Profiles) != 0 || f.LiveDeflect.Auth != nil {
				t.Error("a file with problems gave a configuration")
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "bad"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) == ".yaml" && !seen[file.Name()] {
			t.Errorf("testdata/bad/%s has no test", file.Name())
		}
	}
}

// TestMessagesAreForPeople keeps the names of Go types and fields out of what
// an operator reads.
func TestMessagesAreForPeople(t *testing.T) {
	for _, tt := range badFiles {
		for _, word := range []string{"BaseURL", "Domain ", "SiteID", "string", "int ", "bool", "struct", "time.Duration", "unmarshal", "cannot decode", "!!", "nil"} {
			if strings.Contains(tt.want, word) {
				t.Errorf("%s: %q speaks Go: %q", tt.name, tt.want, word)
			}
		}
	}
}
