package automation

import (
	"context"
	"errors"
	"fmt"

	"heliograph/hooks/automail"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// changeMessage does something to a message that the caller may see, and shows it.
func (p *Part) changeMessage(ctx context.Context, entry string, do func(m automail.OutboxMessage) error) (OutboxMessage, error) {
	m, err := p.seenMessage(ctx, entry)
	if err != nil {
		return OutboxMessage{}, err
	}
	err = do(m)
	if errors.Is(err, automail.ErrUnknown) {
		return OutboxMessage{}, api.Conflict("nothing_left", "there is nothing left to do with the message", "Read it again.").Because(err)
	}
	if err != nil {
		return OutboxMessage{}, err
	}
	return p.outboxMessage(ctx, entry)
}

// SendOutboxMessage tries a message now.
func (p *Part) SendOutboxMessage(ctx context.Context, request SendOutboxMessageRequestObject) (SendOutboxMessageResponseObject, error) {
	outbox := p.outbox
	if p.o.ExpireIn != nil {
		outbox.ExpireIn = p.o.ExpireIn()
	}
	out, err := p.changeMessage(ctx, request.Entry, func(m automail.OutboxMessage) error { return outbox.Retry(ctx, m.Entry) })
	if err != nil {
		return nil, err
	}
	return SendOutboxMessage200JSONResponse(out), nil
}

// CancelOutboxMessage gives a message up.
func (p *Part) CancelOutboxMessage(ctx context.Context, request CancelOutboxMessageRequestObject) (CancelOutboxMessageResponseObject, error) {
	if err := needed("/reason", request.Body.Reason); err != nil {
		return nil, err
	}
	out, err := p.changeMessage(ctx, request.Entry, func(m automail.OutboxMessage) error {
		return p.outbox.Drop(ctx, m.Entry, fmt.Sprintf("%s (%s)", request.Body.Reason, who(access.From(ctx))))
	})
	if err != nil {
		return nil, err
	}
	return CancelOutboxMessage200JSONResponse(out), nil
}

// HoldOutboxMessage holds one message.
func (p *Part) HoldOutboxMessage(ctx context.Context, request HoldOutboxMessageRequestObject) (HoldOutboxMessageResponseObject, error) {
	if err := needed("/reason", request.Body.Reason); err != nil {
		return nil, err
	}
	out, err := p.changeMessage(ctx, request.Entry, func(m automail.OutboxMessage) error {
		switch {
		case m.Effect.ID == "":
			return api.Conflict("not_automated", "only mail of rules can be held", "Cancel it instead.")
		case !m.FinishedAt.IsZero():
			return automail.ErrUnknown
		}
		return p.outbox.Hold(ctx, automail.Scope{Kind: automail.HoldMessage, Name: m.Entry.String()}, request.Body.Reason, who(access.From(ctx)))
	})
	if err != nil {
		return nil, err
	}
	return HoldOutboxMessage200JSONResponse(out), nil
}

// ReleaseOutboxMessage releases one message.
func (p *Part) ReleaseOutboxMessage(ctx context.Context, request ReleaseOutboxMessageRequestObject) (ReleaseOutboxMessageResponseObject, error) {
	out, err := p.changeMessage(ctx, request.Entry, func(m automail.OutboxMessage) error {
		return p.outbox.Release(ctx, automail.Scope{Kind: automail.HoldMessage, Name: m.Entry.String()})
	})
	if err != nil {
		return nil, err
	}
	return ReleaseOutboxMessage200JSONResponse(out), nil
}

// SettleOutboxMessage says what became of a message whose verdict was lost.
func (p *Part) SettleOutboxMessage(ctx context.Context, request SettleOutboxMessageRequestObject) (SettleOutboxMessageResponseObject, error) {
	if err := needed("/reason", request.Body.Reason); err != nil {
		return nil, err
	}
	out, err := p.changeMessage(ctx, request.Entry, func(m automail.OutboxMessage) error {
		return p.outbox.Settle(ctx, m.Entry, request.Body.Arrived, fmt.Sprintf("%s (%s)", request.Body.Reason, who(access.From(ctx))))
	})
	if err != nil {
		return nil, err
	}
	return SettleOutboxMessage200JSONResponse(out), nil
}
