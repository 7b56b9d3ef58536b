package smtpd

import "time"

// SetTimeouts shortens the patience with clients. Call it before the first connection.
func (srv *Server) SetTimeouts(preamble, client time.Duration) {
	srv.timeouts = timeouts{preamble, client}
}

// DataForm is one way to end DATA, or not.
type DataForm struct {
	Name, In, Out string
	Done          bool
	Refused       bool // when a bare LF is normalised
}

// DataForms are the forms that the scanner is tested with.
func DataForms() (all []DataForm) {
	for _, f := range dataForms {
		all = append(all, DataForm{Name: f.name, In: f.in, Out: f.out, Done: f.done, Refused: f.err != nil})
	}
	return all
}
