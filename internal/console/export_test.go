package console

import "io"

// WriteApproval writes the page of an approval in English.
func WriteApproval(w io.Writer, a *Approval, token string) error {
	v := viewOf(a, token)
	v.Lang, v.W = "en", approvalWords["en"]
	return approvalPage.Execute(w, v)
}
