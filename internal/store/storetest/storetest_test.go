package storetest

import (
	"context"
	"os"
	"testing"

	"heliograph/internal/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(holdVariable) != "" {
		hold()
		return
	}
	Main(m)
}

// Tests on one server do not see each other's rows.
func TestEachIsFresh(t *testing.T) {
	t.Parallel()
	for range 2 {
		Each(t, func(t *testing.T, db *store.DB) {
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				_, err := tx.ExecContext(ctx, `CREATE TABLE mine (a INTEGER)`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
