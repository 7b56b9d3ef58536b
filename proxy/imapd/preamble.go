package imapd

import (
	"context"
	"errors"
)

// errGoodbye ends a session that has been answered in full.
var errGoodbye = errors.New("said goodbye")

func (s *session) preamble(ctx context.Context) error {
	return errGoodbye
}
