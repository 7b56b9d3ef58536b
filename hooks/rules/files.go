package rules

import (
	"context"
	"errors"
	"fmt"

	"heliograph/internal/store"
)

// maxFiles bounds what the files of one step have together.
const maxFiles = 20 << 20

// files returns the files that earlier steps made.
func (x *exec) files(steps []string) (out []File, err error) {
	for _, id := range steps {
		row, _ := x.facts.steps[id].(map[string]any)
		path, _ := row["_path"].(string)
		files, err := x.ledger.kept(x.Context, x.run.ID, path)
		if err != nil {
			return nil, &ledgerError{err}
		}
		if len(files) == 0 {
			return nil, Permanent(fmt.Errorf("step %s made no files", id))
		}
		out = append(out, files...)
	}
	return out, nil
}

// keep stores the files that this step made.
func (x *exec) keep(files []File) error {
	size := 0
	for _, f := range files {
		size += len(f.Content)
	}
	if size > maxFiles {
		return Permanent(fmt.Errorf("the files have %d bytes, more than %d", size, maxFiles))
	}
	if err := x.ledger.keep(x.Context, x.run.ID, x.path, files); err != nil {
		return &ledgerError{err}
	}
	return nil
}

func (d *database) keep(ctx context.Context, run, path string, files []File) error {
	return d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM rule_files WHERE run = $1 AND path = $2`, run, path); err != nil {
			return err
		}
		for i, f := range files {
			_, err := tx.ExecContext(ctx, `INSERT INTO rule_files (run, path, position, name, type, inline_id, content) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				run, path, i, f.Name, f.Type, f.Inline, f.Content)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *database) kept(ctx context.Context, run, path string) (files []File, err error) {
	rows, err := d.db.Reader().QueryContext(ctx, `SELECT name, type, inline_id, content FROM rule_files WHERE run = $1 AND path = $2 ORDER BY position`, run, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var f File
		if err := rows.Scan(&f.Name, &f.Type, &f.Inline, &f.Content); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, rows.Err()
}
