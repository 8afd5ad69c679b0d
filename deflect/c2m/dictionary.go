package c2m

import "strings"

// Meaning says what an error of the report means, such as "twilio_30003", after the vendor's
// dictionary; empty for one that is not there.
func Meaning(code string) string {
	code = strings.TrimPrefix(code, "outbound_") // of the gateway, which may be left out then
	for _, gateway := range []string{"", "twilio_", "wa_"} {
		if words := dictionary[gateway+code]; words != "" {
			return words
		}
	}
	return ""
}

const atVendor = "an internal error at LivePerson"

// dictionary is in our words. wa is WhatsApp.
var dictionary = map[string]string{
	"c2m_1001": "a landline, or no valid number",
	"c2m_1300": "no engagement for the skill",
	"c2m_1400": "the consumer has an open conversation",
	"c2m_5000": atVendor,
	"c2m_5401": atVendor,
	"c2m_5403": "a timeout inside of LivePerson",
	"c2m_5807": "a media URL that is not permitted",

	"twilio_5008":    "no delivery receipt within 72 hours",
	"twilio_20003":   "the gateway refused permission",
	"twilio_20500":   "an internal error of the gateway",
	"twilio_21211":   "no valid number to text",
	"twilio_21408":   "the region is not enabled for the sending number",
	"twilio_21602":   "the text is empty",
	"twilio_21606":   "the sending number cannot text",
	"twilio_21610":   "the consumer has opted out",
	"twilio_21611":   "the queue of the sending number is full",
	"twilio_21612":   "the sending number does not reach the consumer's",
	"twilio_21614":   "not a mobile number",
	"twilio_21617":   "the text is longer than 1600 characters",
	"twilio_30001":   "the gateway's queue overflowed",
	"twilio_30002":   "the gateway's account is suspended",
	"twilio_30003":   "the telephone cannot be reached",
	"twilio_30004":   "the text was blocked",
	"twilio_30005":   "an unknown destination",
	"twilio_30006":   "the carrier cannot be reached, or a landline",
	"twilio_30007":   "filtered by a carrier",
	"twilio_30008":   "not delivered, for an unknown reason",
	"twilio_30032":   "the toll-free number is not verified",
	"twilio_ntw_err": "a network error before the SMS gateway",

	"wa_400":     "WhatsApp could not fetch the media",
	"wa_408":     "WhatsApp was not available",
	"wa_410":     "the message expired before it could be delivered",
	"wa_470":     "over 24 hours since the consumer's last message: it needs a template",
	"wa_471":     "the sending number's limit of messages is reached",
	"wa_495":     "WhatsApp has a certificate problem",
	"wa_1000":    "a rich message that WhatsApp does not take",
	"wa_1005":    "WhatsApp denies access",
	"wa_1014":    "WhatsApp could not get at the media",
	"wa_1026":    "the consumer's WhatsApp is too old for the message",
	"wa_1031":    "WhatsApp has locked the sending account",
	"wa_ntw_err": "a network error before WhatsApp",
}
