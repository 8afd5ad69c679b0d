package main

//lint:file-ignore SA1019 The newer form of a dashboard is not read by Grafana 10 and 11.

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// newDashboard makes the dashboard. At its top is what tells within seconds whether callers get
// their texts; below, by who can be at fault: the callers, the API, FreeSWITCH, this machine.
func newDashboard() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder("deflectd").Uid("deflectd").Tags([]string{"ivrdeflect", "prometheus"}).
		Description("Callers who are offered a text instead of waiting: how their calls end, and what keeps texts from going out.").
		Time("now-6h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("What the alerts mean").Type(dashboard.DashboardLinkTypeLink).
			Url("https://github.com/ivrdeflect/ivrdeflect/blob/HEAD/cmd/deflectd/README.md#alerts").TargetBlank(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
		WithVariable(choice("job", "Job", "label_values(deflectd_build_info, job)", ".+")).
		WithVariable(choice("instance", "Instance", `label_values(deflectd_build_info{job=~"$job"}, instance)`, ".+")).
		WithVariable(choice("profile", "Profile", `label_values(deflect_outcomes_total{job=~"$job"}, profile)`, ".*")). // also the calls that none serves
		Annotation(moment("Started", "blue", "process_start_time_seconds{{of}} * 1000", "{{instance}} started")).
		Annotation(moment("Configuration loaded", "purple", "deflectd_config_last_reload_success_timestamp_seconds{{of}} * 1000", "{{instance}} loaded its configuration"))

	b.
		WithPanel(rows("Alerts that fire", "Each has a paragraph in the README of deflectd, by its name.", 9, 5, []string{"alertstate", "job"},
			query{`ALERTS{alertname=~"Deflectd.+",alertstate="firing",job=~"$job"}`, ""})).
		WithPanel(number("Every deflectd answers", "Prometheus could scrape all of them just now.", "short", 3, query{"min(up{{of}})", ""}).
			Mappings(wellWords).GraphMode(common.BigValueGraphModeNone).Thresholds(steps(red, from(1, green)))).
		WithPanel(number("Breaker", "The worst of all. Open: the API failed five times in a row, and nobody is offered a text.", "short", 3,
			query{`max(clamp_max(2 * deflect_breaker_state{{of},state="open"} + on (job, instance) (deflect_breaker_state{{of},state="half_open"} > bool 0), 2))`, ""}).
			Mappings(breakerWords).GraphMode(common.BigValueGraphModeNone).Thresholds(steps(green, from(1, yellow), from(2, red)))).
		WithPanel(number("Texts sent", "", perMinute, 3, query{`60 * sum(rate(deflect_outcomes_total{{call},outcome="sent"}[$__rate_interval]))`, ""}).Decimals(1)).
		WithPanel(number("Asked for and not sent", "Of those who pressed the key in the last 30 minutes, the worst profile. DeflectdTextsFailing is at 20 %.", "percentunit", 3,
			query{"max(profile:deflect_texts_failing:ratio30m{{profile}})", ""}).
			NoValue("nobody asked").Thresholds(steps(green, from(.05, yellow), from(.2, red)))).
		WithPanel(number("Room taken", "Calls in progress, of as many as there may be, the fullest. When full, callers are refused.", "percentunit", 3,
			query{"max(deflect_freeswitch_calls_active{{of}} / deflect_freeswitch_calls_limit{{of}})", ""}).
			Thresholds(steps(green, from(.7, yellow), from(.9, red))))

	b.WithRow(dashboard.NewRowBuilder("Callers")).
		WithPanel(stacked("How calls end", "Every call once, also those that were not offered a text.", perMinute,
			query{"60 * sum by (outcome) (rate(deflect_outcomes_total{{call}}[$__rate_interval]))", "{{outcome}}"})).
		WithPanel(stacked("Asked for, and no text or not certain", "Failed is no text, uncertain is perhaps one, deferred waits.", perMinute,
			query{`60 * topk(8, sum by (outcome, reason) (rate(deflect_outcomes_total{{call},outcome=~"failed|uncertain|deferred"}[$__rate_interval])))`, "{{outcome}} {{reason}}"})).
		WithPanel(stacked("Not offered a text", "Each reason is a rule of who is offered one.", perMinute,
			query{`60 * topk(8, sum by (reason) (rate(deflect_outcomes_total{{call},outcome="ineligible"}[$__rate_interval])))`, "{{reason}}"})).
		WithPanel(stacked("Calls by profile", "The one without a name are calls that no profile serves.", perMinute,
			query{"60 * sum by (profile) (rate(deflect_outcomes_total{{call}}[$__rate_interval]))", "{{profile}}"})).
		WithPanel(lines("Of those who were offered a text, how many asked for it", "Low for one profile alone: its prompt. Low for all at once: do keys arrive?", "percentunit",
			query{`sum by (profile) (rate(deflect_outcomes_total{{call},outcome=~"sent|deferred|failed|uncertain"}[$__rate_interval])) / sum by (profile) (rate(deflect_outcomes_total{{call},outcome!="ineligible"}[$__rate_interval]))`, "{{profile}}"}).Max(1)).
		WithPanel(lines("Of those who asked for a text, how many got none", "Over 30 minutes. One profile alone is its settings, one instance alone its machine.", "percentunit",
			query{"profile:deflect_texts_failing:ratio30m{{profile}}", "profile {{profile}}"},
			query{"instance:deflect_texts_failing:ratio30m{{of}}", "{{instance}}"}).
			Thresholds(steps(green, from(.2, red))).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)))

	b.WithRow(dashboard.NewRowBuilder("The API")).
		WithPanel(stacked("Requests", "By what became of them: invite sends a text, eligibility asks before it.", perMinute,
			query{"60 * topk(8, sum by (call, result) (rate(deflect_requests_total{{of}}[$__rate_interval])))", "{{call}} {{result}}"})).
		WithPanel(spread("How long a text takes to send", "From handing the request to the network to its answer; the caller hears the wait prompt.", "deflect_request_duration_seconds", `,call="invite"`, "")).
		WithPanel(states("Breaker over time", "Half open: the next caller tries.", breakerWords,
			query{`clamp_max(2 * deflect_breaker_state{{of},state="open"} + on (job, instance) (deflect_breaker_state{{of},state="half_open"} > bool 0), 2)`, "{{instance}}"})).
		WithPanel(lines("Of the callers it was asked about, how many can be texted", "Connect to Messaging is asked before the offer. The rest are not eligible, or it did not say, or not in time.", "percentunit",
			query{`sum by (instance) (rate(deflect_requests_total{{of},call="eligibility",result="ok"}[$__rate_interval])) / sum by (instance) (rate(deflect_requests_total{{of},call="eligibility"}[$__rate_interval]))`, "{{instance}}"}).Max(1)).
		WithPanel(spread("How long it takes to say so", "The caller waits for it before the call is answered. The dashed line is the default of c2m.eligibility_deadline: later, there is no offer.",
			"deflect_request_duration_seconds", `,call="eligibility"`, "").
			Thresholds(steps(green, from(.7, red))).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))).
		WithPanel(lines("Tokens and hosts that were not to be had", "Without a token no request is made: unauthorized. Hosts are remembered for long.", perMinute,
			query{`60 * topk(8, sum by (call, result) (rate(deflect_requests_total{{of},call=~"token|domain",result!="ok"}[$__rate_interval])))`, "{{call}} {{result}}"})).
		WithPanel(lines("Requests in progress, and doubts", "A doubt is a text of which only the report can tell whether it was sent.", "short",
			query{"sum(deflect_requests_in_flight{{of}})", "requests"}, query{"sum(deflect_settle_open{{of}})", "doubts that are looked up"})).
		WithPanel(stacked("What doubts came to", "unknown: the report could not tell.", perMinute,
			query{"60 * sum by (result) (rate(deflect_settled_total{{of}}[$__rate_interval]))", "{{result}}"})).
		WithPanel(lines("Requests for the report", "For doubts, and for the stages that texts reached, which are polled. Those of Connect to Messaging are transactions above.", perMinute,
			query{"60 * topk(8, sum by (result) (rate(deflect_report_requests_total{{of}}[$__rate_interval])))", "{{result}}"},
			query{"60 * sum by (result) (rate(deflect_funnel_polls_total{{of}}[$__rate_interval]))", "polls: {{result}}"})).
		WithPanel(lines("The breaker moves", "Open again and again: the API does not come back.", perMinute,
			query{"60 * sum by (to) (rate(deflect_breaker_transitions_total{{of}}[$__rate_interval]))", "{{to}}"})).
		WithPanel(stacked("Stages that texts reached", "As the report tells (report.every).", perMinute,
			query{"60 * sum by (stage) (rate(deflect_funnel_calls_total{{of}}[$__rate_interval]))", "{{stage}}"})).
		WithPanel(lines("How old the last whole report is", "Of a deflectd that polls it.", "s",
			query{"time() - deflect_funnel_last_complete_poll_timestamp_seconds{{of}}", "{{instance}}"})).
		WithPanel(spread("From the key to the text, as the report tells", "", "deflect_funnel_time_to_text_seconds", "", "").Span(12)).
		WithPanel(spread("From the text to the answer of the caller", "", "deflect_funnel_time_to_conversation_seconds", "", "").Span(12))

	b.WithRow(dashboard.NewRowBuilder("FreeSWITCH")).
		WithPanel(lines("Calls in progress", "The dashed line is as many as there may be.", "short",
			query{"deflect_freeswitch_calls_active{{of}}", "{{instance}}"}, query{"deflect_freeswitch_calls_limit{{of}}", "limit of {{instance}}"}).
			OverrideByRegexp("limit of .*", []dashboard.DynamicConfigValue{{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash"}}, {Id: "custom.fillOpacity", Value: 0}})).
		WithPanel(lines("Calls that were handed over", "Without an outcome they came to nothing: see the log.", perMinute,
			query{"60 * sum by (instance) (rate(deflect_freeswitch_calls_total{{of}}[$__rate_interval]))", "{{instance}}"})).
		WithPanel(spread("How long calls are with deflectd", "Offers included.", "deflect_freeswitch_call_duration_seconds", "", "")).
		WithPanel(lines("Connections refused", "not_allowed: a switch that was forgotten, or a stranger.", perMinute,
			query{"60 * sum by (reason) (rate(deflect_freeswitch_rejected_connections_total{{of}}[$__rate_interval]))", "{{reason}}"},
			query{"60 * sum(rate(deflect_freeswitch_full_total{{of}}[$__rate_interval]))", "was full"})).
		WithPanel(lines("Prompts that were silent, and broken connections", "A prompt that the switch does not find; a rule of the event socket that was broken.", perMinute,
			query{"60 * topk(8, sum by (prompt) (rate(deflect_freeswitch_prompt_errors_total{{of}}[$__rate_interval])))", "prompt {{prompt}}"},
			query{"60 * topk(8, sum by (kind) (rate(deflect_freeswitch_protocol_errors_total{{of}}[$__rate_interval])))", "connection: {{kind}}"})).
		WithPanel(states("Watched switches", "Of callers who wait in queues.", wellWords,
			query{"deflect_freeswitch_watch_up{{of}}", "{{switch}} from {{instance}}"})).
		WithPanel(lines("Callers on offer in queues", "The same at each of a fleet.", "short", query{"max by (job) (deflect_freeswitch_offers{{of}})", "{{job}}"}).Span(12)).
		WithPanel(stacked("Did the text arrive?", "What callers answered who were asked (confirm: ask).", perMinute,
			query{"60 * sum by (answer) (rate(deflect_freeswitch_confirmations_total{{of}}[$__rate_interval]))", "{{answer}}"}).Span(12))

	b.WithRow(dashboard.NewRowBuilder("What is remembered")).
		WithPanel(lines("Texts that wait", "They were promised to callers.", "short", query{"deflect_waiting_texts{{of}}", "{{instance}}"})).
		WithPanel(lines("How long the oldest of them waits", "DeflectdWaitingTextTooOld is at 17 h.", "s", query{"deflect_waiting_oldest_age_seconds{{of}}", "{{instance}}"})).
		WithPanel(stacked("What became of those that waited", "All but sent and uncertain were dropped: the caller was promised one.", perMinute,
			query{"60 * topk(8, sum by (outcome, reason) (rate(deflect_waiting_ended_total{{of}}[$__rate_interval])))", "{{outcome}} {{reason}}"})).
		WithPanel(lines("Callers in a cooldown", "At the limit those that have the least time left end early.", "short",
			query{"deflect_cooldowns{{of}}", "{{instance}}"}, query{"deflect_cooldowns_limit{{of}}", "limit of {{instance}}"},
			query{"60 * sum(rate(deflect_cooldowns_evicted_total{{of}}[$__rate_interval]))", "ended early, per minute"})).
		WithPanel(lines("Texts that the journal did not take, or that were asked for again", "", perMinute,
			query{"60 * sum by (result) (rate(deflect_journal_failures_total{{of}}[$__rate_interval]))", "journal: {{result}}"},
			query{"60 * sum(rate(deflect_repeated_total{{of}}[$__rate_interval]))", "asked for again"})).
		WithPanel(states("Redis serves", "", wellWords, query{"deflect_store_up{{of}}", "{{instance}}"})).
		WithPanel(lines("What was asked of Redis, and not answered", "", perMinute,
			query{`60 * topk(8, sum by (operation, result) (rate(deflect_store_requests_total{{of},result!="ok"}[$__rate_interval])))`, "{{operation}} {{result}}"}).Span(12)).
		WithPanel(spread("How long Redis takes, 99 of 100", "A caller waits for it.", "deflect_store_request_duration_seconds", "", "operation").Span(12))

	b.WithRow(dashboard.NewRowBuilder("The processes")).
		WithPanel(rows("Versions", "", 12, 7, nil, query{"deflectd_build_info{{of}}", ""})).
		WithPanel(rows("Configurations", "Those of a fleet have one hash.", 12, 7, nil, query{"deflectd_config_info{{of}}", ""})).
		WithPanel(states("The configuration in the file is good", "Else the one before is in use, and a restart would fail.", wellWords,
			query{"deflectd_config_last_reload_successful{{of}}", "{{instance}}"})).
		WithPanel(states("Do-not-text lists are whole", "Else who was added since may be texted.", wellWords, query{"deflectd_do_not_text_whole{{of}}", "{{instance}}"})).
		WithPanel(lines("Log lines lost", "", perMinute, query{"60 * sum by (instance) (rate(deflectd_log_dropped_total{{of}}[$__rate_interval]))", "{{instance}}"})).
		WithPanel(lines("Processor", "1 is one core.", "short", query{"rate(process_cpu_seconds_total{{of}}[$__rate_interval])", "{{instance}}"})).
		WithPanel(lines("Memory", "", "bytes", query{"process_resident_memory_bytes{{of}}", "{{instance}}"})).
		WithPanel(lines("Open files, of as many as there may be", "", "percentunit", query{"process_open_fds{{of}} / process_max_fds{{of}}", "{{instance}}"}))
	return b.Build()
}
