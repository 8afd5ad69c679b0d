package doctor

import "encoding/xml"

// JudgeDialplan reads a dialplan and asks each extension for a number.
func JudgeDialplan(text string) {
	var plan dialplanXML
	if xml.Unmarshal([]byte(text), &plan) != nil {
		return
	}
	for _, c := range plan.Contexts {
		for _, x := range c.Extensions {
			x.takes("+18005550100")
			x.announces()
		}
	}
}
