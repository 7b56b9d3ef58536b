package actions

import (
	"context"
	"errors"

	"heliograph/hooks/automail"
	"heliograph/hooks/rules"
)

var _ rules.Deliveries = (*Actions)(nil)

// Delivery implements rules.Deliveries.
func (a *Actions) Delivery(ctx context.Context, effect string) (map[string]any, error) {
	out := map[string]any{"settled": false, "delivered": false, "failed": []any{}, "bounced": []any{}, "unknown": []any{}, "suppressed": []any{}}
	control := automail.Control{Store: a.o.Store}
	e, err := control.Effect(ctx, effect)
	if errors.Is(err, automail.ErrUnknown) {
		return out, nil // the journal has it, and the outbox is about to look at it
	}
	if err != nil {
		return nil, err
	}
	m, err := control.Show(ctx, e.Entry)
	if errors.Is(err, automail.ErrUnknown) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	arrived, pending := 0, 0
	for _, r := range m.Recipients {
		switch r.State {
		case automail.StatePending:
			pending++
		case automail.StateDelivered, automail.StateRelayed:
			arrived++
		default:
			list, _ := out[string(r.State)].([]any)
			out[string(r.State)] = append(list, r.Address)
		}
	}
	out["settled"], out["delivered"] = pending == 0 && len(m.Recipients) > 0, arrived == len(m.Recipients) && arrived > 0
	return out, nil
}
