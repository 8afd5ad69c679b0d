package deflect

// Check reports whether Deflect would send a request for the call: nil, or an
// *Error that is [ErrInvalidCall], lists every problem and has the outcome
// [Ineligible]. Ask it before a caller is offered a text; a zero Accepted is
// fine. A problem of the number to text decides the reason.
func (c *Client) Check(call Call) error {
	_, problems := c.validate(call)
	if len(problems) == 0 {
		return nil
	}
	return problems.refusal(Ineligible)
}
