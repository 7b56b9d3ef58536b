package pause_test

import (
	"context"
	"testing"

	"heliograph/internal/pause"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestBook(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b, other := pause.New(db, nil, nil), pause.New(db, nil, nil)
		if b.Account("li@example.com") {
			t.Error("paused before anything is known")
		}
		if err := b.Pause(ctx, pause.Account, "li@example.com", "on leave", "it@example.com"); err != nil {
			t.Fatal(err)
		}
		if err := b.Pause(ctx, pause.Target, "crm", "maintenance", "it@example.com"); err != nil {
			t.Fatal(err)
		}
		if !b.Account("Li@Example.com") || b.Account("wang@example.com") || b.Account("crm") {
			t.Error("the wrong accounts are paused")
		}
		if other.Target("crm").Active {
			t.Error("another process knows without having looked")
		}
		if err := other.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if p := other.Target("crm"); !p.Active || p.Reason != "maintenance" || p.By != "it@example.com" || p.At.IsZero() || !p.Resumed.IsZero() {
			t.Errorf("target: %+v", p)
		}
		before := b.Target("crm").At
		if err := b.Pause(ctx, pause.Target, "crm", "longer", "wu@example.com"); err != nil {
			t.Fatal(err)
		}
		if p := b.Target("crm"); p.Reason != "longer" || !p.At.Equal(before) {
			t.Errorf("paused again: %+v", p)
		}
		if list, err := b.List(ctx); err != nil || len(list) != 2 {
			t.Errorf("list: %v %v", list, err)
		}
		if err := b.Resume(ctx, pause.Account, "li@example.com"); err != nil {
			t.Fatal(err)
		}
		if p, err := b.Get(ctx, pause.Account, "li@example.com"); err != nil || p.Active || p.Resumed.IsZero() || p.Reason != "on leave" {
			t.Errorf("resumed: %+v %v", p, err)
		}
		run, stop := context.WithCancel(ctx)
		stop()
		if err := b.Run(run); err != nil {
			t.Error(err)
		}
	})
}
