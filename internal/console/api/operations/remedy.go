package operations

import "strings"

// remedies say what a person can do about reasons that this program gives. What is stored of a failure is its text; those of a CRM's own words
// fall through to what the sort of work calls for. The first match counts.
var remedies = []struct{ part, remedy string }{
	{"paused by a person", "Resume the target when it may go on."},
	{"circuit open", "Nothing: it is tried again. If it lasts, check that the CRM can be reached from this machine."},
	{"refused the credentials", "Renew the credentials of the target, then test it."},
	{"certificate is not trusted", "Give the target ca_file with the authority of its certificate, or put the certificate right."},
	{"does not speak TLS", "Check url of the target: https, and the port."},
	{"cannot be used as configured", "Check the settings of the target, then test it."},
	{"asked to slow down", "Nothing: it is tried again. If it lasts, lower requests_per_second of the target."},
	{"no answer from the target", "Check that the CRM can be reached from this machine, then test the target."},
	{"has trouble", "Nothing: it is tried again. If it lasts, ask whoever runs the CRM."},
	{"took longer than", "Nothing: it is tried again. If it lasts, ask whoever runs the CRM."},
	{"waits for review", "Decide on the unknown people of this message."},
	{"gave up after", "Put right what the reason says, then retry it."},
	{"refused the request", "Change what the CRM refuses, there or in the fields of the target; then retry it, or discard it with a reason."},
	{"entry lies on another node", "Nothing: the node that has the message does it when it runs."},
	{"stopped meanwhile", "Nothing: it goes on by itself."},
}

func remedyOf(what JobWhat, reason string) string {
	for _, r := range remedies {
		if strings.Contains(reason, r.part) {
			return r.remedy
		}
	}
	switch what {
	case JobWhatDelivery, JobWhatUpdate, JobWhatWithdrawal, JobWhatContacts:
		return "Look at what the CRM said, and test the target; then retry it, or discard it with a reason."
	case JobWhatOutbox:
		return "Look at what the mail server said of each recipient in the outbox; then retry it, or discard it with a reason."
	case JobWhatRules:
		return "Look at the run of the rule."
	}
	return "The gateway's log says more; retry it, or discard it with a reason."
}
