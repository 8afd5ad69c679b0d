package config

import (
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// The words for settings that the library has as numbers.
var (
	timeUnits     = []string{"milliseconds", "seconds"}
	timeUnitOf    = []deflect.TimeUnit{deflect.Milliseconds, deflect.Seconds}
	tagFields     = []string{"both", "deflectionTextTag", "deflectionTagText"}
	tagFieldOf    = []deflect.TagField{deflect.TagBoth, deflect.TagTextTag, deflect.TagTagText}
	logLevels     = []string{"debug", "info", "warn", "error"}
	logFormats    = []string{"json", "text"}
	lineTypes     = []string{"lenient", "strict"}
	lineTypeOf    = []deflect.LineTypes{deflect.LenientLineTypes, deflect.StrictLineTypes}
	numberChecks  = []string{"valid", "possible"}
	numberCheckOf = []deflect.NumberCheck{deflect.ValidNumbers, deflect.PossibleNumbers}
	consents      = []string{"implied", "variable"}
	consentOf     = []deflect.Consent{deflect.ConsentImplied, deflect.ConsentRequired}
	confirms      = []string{"off", "ask"}
	numbersFrom   = []string{"caller", "ask"}
	secretRefusal = "does not belong in this file: write it to a file of its own and name that in %s_file, or set %s"
)

// decode fills f from the document: every key that a file may have.
func (f *File) decode(d *decoder, root *yaml.Node) {
	api, fs := &f.Deflect, &f.FreeSWITCH
	section(
		field{"livedeflect", section(
			field{"site_id", text(&api.SiteID)},
			field{"domain", text(&api.Domain)},
			field{"base_url", text(&api.BaseURL)},
			field{"consumer_key", text(&f.secrets.consumerKey)},
			field{"consumer_secret_file", filled(&f.secrets.consumer.file, "the secret in "+consumerSecretEnv)},
			field{"consumer_secret", refused("consumer_secret", consumerSecretEnv)},
			field{"token", text(&f.secrets.token)},
			field{"token_secret_file", filled(&f.secrets.tokenSecret.file, "the secret in "+tokenSecretEnv)},
			field{"token_secret", refused("token_secret", tokenSecretEnv)},
			field{"live_deadline", duration(&api.LiveDeadline)},
			field{"time_unit", choice(&api.TimeUnit, timeUnits, timeUnitOf)},
			field{"text_tag_field", choice(&api.TextTagField, tagFields, tagFieldOf)},
			field{"trunk_prefix", boolean(&api.TrunkPrefix)},
			field{"max_text_length", count(&api.MaxTextLength)},
		)},
		field{"breaker", section(
			field{"failures", count(&api.Breaker.Failures)},
			field{"open_for", duration(&api.Breaker.OpenFor)},
		)},
		field{"report", section(
			field{"window", duration(&api.Report.Window)},
			field{"parallel", count(&api.Report.Parallel)},
			field{"every", durationOrNone(&api.Report.Every)},
			field{"lookback", duration(&api.Report.Lookback)},
		)},
		field{"settle", section(
			field{"disabled", boolean(&api.Settle.Disabled)},
			field{"after", duration(&api.Settle.After)},
			field{"limit", duration(&api.Settle.Limit)},
			field{"max", count(&api.Settle.Max)},
		)},
		field{"max_cooldowns", count(&api.MaxCooldowns)},
		field{"default_region", filled(&api.DefaultRegion, "the default US")},
		field{"number_check", choice(&api.NumberCheck, numberChecks, numberCheckOf)},
		field{"freeswitch", section(
			field{"outbound", section(
				field{"listen", text(&f.OutboundListen)},
				field{"allow", networks(&fs.Allow)},
				field{"max_calls", count(&fs.MaxCalls)},
				field{"drain", duration(&fs.DrainTimeout)},
				field{"first_frame", duration(&fs.FirstFrameTimeout)},
				field{"idle", duration(&fs.IdleTimeout)},
			)},
			field{"inbound", f.inbound()},
			field{"variables", filledList(&fs.Variables, "none")},
			field{"sounds", filled(&fs.Sounds, "the default ivrdeflect")},
		)},
		field{"http", section(
			field{"listen", text(&f.HTTPListen)},
		)},
		field{"log", section(
			field{"level", choice(&f.Log.Level, logLevels, logLevels)},
			field{"format", choice(&f.Log.Format, logFormats, logFormats)},
		)},
		field{"profiles", f.profiles()},
	)(d, root, "")
}

func (f *File) inbound() reader {
	dst := &f.FreeSWITCH.Inbound
	return list(
		func(n int) {
			*dst = make([]freeswitch.Switch, n)
			f.secrets.switches = make([]origin, n)
		},
		func(i int) reader {
			return section(
				field{"name", text(&(*dst)[i].Name)},
				field{"address", text(&(*dst)[i].Address)},
				field{"password_file", filled(&f.secrets.switches[i].file, "the password in the environment")},
				field{"password", func(d *decoder, n *yaml.Node, at string) {
					d.bad(at, n.Line, secretRefusal, at, switchEnvForm)
				}},
			)
		})
}

func (f *File) profiles() reader {
	dst := &f.FreeSWITCH.Profiles
	return list(
		func(n int) {
			*dst = make([]freeswitch.Profile, n)
			f.doNotText = make([]string, n)
		},
		func(i int) reader {
			p := &(*dst)[i]
			return section(
				field{"name", text(&p.Name)},
				field{"dialed", numbers(&p.Dialed)},
				field{"skill", text(&p.Skill)},
				field{"text", textOrNone(&p.Text)},
				field{"text_tag", text(&p.TextTag)},

				field{"countries", filledList(&p.Countries, "any country")},
				field{"line_types", choice(&p.LineTypes, lineTypes, lineTypeOf)},
				field{"hours", section(
					field{"zone", filled(&p.Hours.Zone, "no hours, together with week and holidays")},
					field{"week", mapping(&p.Hours.Week, func(dst *[]string) reader { return filledList(dst, "a closed day") })},
					field{"holidays", texts(&p.Hours.Holidays, "!!timestamp")},
				)},
				field{"min_wait", durationOrNone(&p.MinWait)},
				field{"percent", percent(&p.Withhold)},
				field{"do_not_text_file", filled(&f.doNotText[i], "no list")},
				field{"cooldown", cooldown(&p.Cooldown, &p.NoCooldown)},
				field{"consent", choice(&p.Consent, consents, consentOf)},

				field{"accept_digit", filled(&p.AcceptDigit, "the default 1")},
				field{"decline_digit", filled(&p.DeclineDigit, "the default 2")},
				field{"repeat", count(&p.Repeat)},
				field{"gap", duration(&p.Gap)},
				field{"on_sent", section(
					field{"transfer", filled(&p.OnSent.Transfer, "leaving the caller in the queue")},
				)},
				field{"confirm", choice(&p.Confirm, confirms, []bool{false, true})},
				field{"confirm_gap", duration(&p.ConfirmGap)},
				field{"number", choice(&p.AskNumber, numbersFrom, []bool{false, true})},
				field{"number_entry", section(
					field{"min_digits", count(&p.NumberEntry.MinDigits)},
					field{"max_digits", count(&p.NumberEntry.MaxDigits)},
					field{"terminator", filled(&p.NumberEntry.Terminator, "the default #")},
					field{"gap", duration(&p.NumberEntry.Gap)},
					field{"tries", count(&p.NumberEntry.Tries)},
				)},
				field{"language", filled(&p.Language, "the default en")},
				field{"prompts", prompts(&p.Prompts)},
				field{"languages", mapping(&p.Languages, func(dst *freeswitch.Translation) reader {
					return section(
						field{"prompts", prompts(&dst.Prompts)},
						field{"text", textOrNone(&dst.Text)},
					)
				})},
			)
		})
}

func prompts(p *freeswitch.Prompts) reader {
	return section(
		field{"offer", textOrNone(&p.Offer)},
		field{"wait", textOrNone(&p.Wait)},
		field{"sent", textOrNone(&p.Sent)},
		field{"failed", textOrNone(&p.Failed)},
		field{"uncertain", textOrNone(&p.Uncertain)},
		field{"already_sent", textOrNone(&p.AlreadySent)},
		field{"confirm", textOrNone(&p.Confirm)},
		field{"number", textOrNone(&p.Number)},
		field{"number_confirm", textOrNone(&p.NumberConfirm)},
		field{"number_invalid", textOrNone(&p.NumberInvalid)},
	)
}

// textOrNone reads a text whose empty one means none on purpose.
func textOrNone(dst *string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		text(dst)(d, n, at)
		switch s, ok := scalar(n, "!!str"); {
		case ok && s == freeswitch.None:
			d.bad(at, n.Line, `must be text; write "" for none`)
		case ok && s == "":
			*dst = freeswitch.None
		}
	}
}

// percent reads the share of calls that are offered a text.
func percent(withhold *int) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		v := 100 - *withhold
		whole(0, 100, "from 0 to 100", &v)(d, n, at)
		*withhold = 100 - v
	}
}

// cooldown reads a time such as 15m; 0s switches it off.
func cooldown(dst *time.Duration, off *bool) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		v := time.Duration(-1)
		durationOrNone(&v)(d, n, at)
		switch {
		case v == 0:
			*off = true
		case v > 0:
			*dst = v
		}
	}
}

// numbers reads the dialled numbers of a profile. An empty list could mean no
// number or every number, so it is refused.
func numbers(dst *[]string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		if v := resolve(n); v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
			d.bad(at, n.Line, "is empty: remove it to serve the numbers that no other profile names")
			return
		}
		texts(dst)(d, n, at)
	}
}

func networks(dst *[]netip.Prefix) reader {
	return list(
		func(n int) { *dst = make([]netip.Prefix, n) },
		func(i int) reader {
			return func(d *decoder, n *yaml.Node, at string) {
				s, ok := scalar(n, "!!str")
				prefix, err := netip.ParsePrefix(s)
				_, bare := netip.ParseAddr(s)
				switch {
				case ok && err == nil:
					(*dst)[i] = prefix
				case ok && bare == nil && strings.Contains(s, ":"):
					d.bad(at, n.Line, "is an address, not a network: add /128 for this address alone")
				case ok && bare == nil:
					d.bad(at, n.Line, "is an address, not a network: add /32 for this address alone")
				default:
					d.bad(at, n.Line, "must be a network in quotes, such as \"10.0.0.0/8\"")
				}
			}
		})
}

// refused reads a key that looks right and is not allowed.
func refused(key, env string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		d.bad(at, n.Line, secretRefusal, "livedeflect."+key, env)
	}
}
