// Package liveperson has what the APIs of LivePerson have in common: who asks
// ([Authenticator]: [OAuth2], [OAuth1]), where they are ([Domains]), over which connections
// ([NewTransport]), and whether an agent is there to answer ([Shifts]). Packages livedeflect
// and c2m speak to one API each.
//
//	domains, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: "38856538"})
//	...
//	auth := &liveperson.OAuth2{Account: "38856538", ClientID: id, ClientSecret: secret, Domains: domains}
//
// Facts about the services are from LivePerson's pages on OAuth 2.0 client credentials, on
// the Domain API and on the shift status; where those say nothing, such as how long a token
// lives, what comes is believed within limits, and a refusal corrects it.
package liveperson
