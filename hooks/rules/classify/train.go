package classify

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"heliograph/internal/store"
)

const (
	// maxRows bounds how many corrections of a dimension a model learns from, the newest.
	maxRows = 20_000
	// keptModels is how many versions of a dimension's model stay in the store.
	keptModels = 10
	// maxKept bounds how many corrections of a dimension are kept at all, the newest, and history how long those are that nothing is learned from any
	// more: since they were corrected again, or their features are of another program.
	maxKept  = 2 * maxRows
	history  = 180 * 24 * time.Hour
	maxModel = 64 << 20 // octets, unpacked
)

// row is a correction as the models see it.
type row struct {
	id     int64
	key    string
	doc    *doc
	labels []string
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

const rowColumns = "id, message_key, labels, features"

func scanRow(s scanner) (r row, err error) {
	var labels string
	var features []byte
	if err := s.Scan(&r.id, &r.key, &labels, &features); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(labels), &r.labels); err != nil {
		return r, fmt.Errorf("labels of correction %d: %w", r.id, err)
	}
	if r.doc, err = decodeDoc(features); err != nil {
		return r, fmt.Errorf("correction %d: %w", r.id, err)
	}
	return r, nil
}

// lastRow returns the row that counts for a mail, or nil.
func lastRow(ctx context.Context, q store.Querier, key, dimension string) (*row, error) {
	r, err := scanRow(q.QueryRowContext(ctx, "SELECT "+rowColumns+` FROM classify_corrections
		WHERE message_key = $1 AND dimension = $2 AND scheme = $3 ORDER BY id DESC LIMIT 1`, key, dimension, scheme))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// rows returns the corrections to learn from, oldest first: the last of each mail, if it trains.
func rows(ctx context.Context, q store.Querier, dimension string) (list []row, err error) {
	found, err := q.QueryContext(ctx, "SELECT "+rowColumns+` FROM classify_corrections c
		WHERE dimension = $1 AND scheme = $2 AND trains = 1 AND NOT EXISTS (
			SELECT 1 FROM classify_corrections n WHERE n.message_key = c.message_key AND n.dimension = c.dimension AND n.id > c.id)
		ORDER BY id DESC LIMIT $3`, dimension, scheme, maxRows)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		r, err := scanRow(found)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	slices.Reverse(list)
	return list, found.Err()
}

// learn makes a model of rows. Labels that the dimension allows no more are not learned.
func (d *dimension) learnAll(rows []row) *model {
	m := d.empty()
	var good []row
	for _, r := range rows {
		r.labels = slices.DeleteFunc(slices.Clone(r.labels), func(l string) bool { return !d.allows(l) })
		if len(r.labels) == 0 && !d.Many {
			continue
		}
		m.add(r)
		good = append(good, r)
	}
	m.calibrate(good)
	return m
}

// state is a digest of what a model is made from: equal states are equal models.
func (d *dimension) stateOf(ctx context.Context, q store.Querier) (string, error) {
	var count, last, sum int64
	err := q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MAX(id), 0), COALESCE(CAST(SUM(id) AS BIGINT), 0) FROM classify_corrections
		WHERE dimension = $1 AND scheme = $2`, d.Name, scheme).Scan(&count, &last, &sum)
	if err != nil {
		return "", err
	}
	settings, err := json.Marshal(d.Dimension)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(fmt.Appendf(settings, "\n%d %d %d %d", scheme, count, last, sum))
	return hex.EncodeToString(digest[:16]), nil
}

// stateAndRows returns the corrections to learn from, and the state that they are. What comes in between makes it look again; where it never
// ceases, the state is that before the rows, so that there is another training.
func (d *dimension) stateAndRows(ctx context.Context, q store.Querier) (state string, list []row, err error) {
	const looks = 3
	after, err := d.stateOf(ctx, q)
	for range looks {
		if err != nil || state == after {
			break
		}
		state = after
		if list, err = rows(ctx, q, d.Name); err == nil {
			after, err = d.stateOf(ctx, q)
		}
	}
	return state, list, err
}

// Train makes new models of the dimensions whose corrections changed and stores them as new versions. It returns
// how many it made. Several processes may train at once: the first one's version holds.
func (c *Classifier) Train(ctx context.Context) (int, error) {
	made := 0
	for _, d := range c.dims {
		trained, err := c.train(ctx, d)
		if err != nil {
			return made, fmt.Errorf("training %s: %w", d.Name, err)
		}
		if trained {
			made++
		}
	}
	return made, nil
}

func (c *Classifier) train(ctx context.Context, d *dimension) (bool, error) {
	reader := c.o.Store.Reader()
	state, err := d.stateOf(ctx, reader)
	if err != nil {
		return false, err
	}
	if err := c.load(ctx, d); err != nil {
		return false, err
	}
	d.mu.RLock()
	version, same := d.version, d.state == state
	d.mu.RUnlock()
	if same {
		return false, nil
	}
	if err := c.prune(ctx, d.Name); err != nil {
		return false, err
	}
	state, list, err := d.stateAndRows(ctx, reader)
	if err != nil {
		return false, err
	}
	if len(list) == 0 && version == 0 {
		return false, nil
	}
	m := d.learnAll(list)
	packed, err := m.encode()
	if err != nil {
		return false, err
	}
	won := false
	err = c.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO classify_models (dimension, version, trained_at, corrections, state, model)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			d.Name, version+1, store.Micros(c.o.Now()), m.docs, state, packed)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if won = n == 1; err != nil || !won {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM classify_models WHERE dimension = $1 AND version <= $2", d.Name, version+1-keptModels)
		return err
	})
	if err != nil {
		return false, err
	}
	if !won {
		return false, c.load(ctx, d)
	}
	d.use(m, version+1, state)
	return true, nil
}

// prune removes corrections that are too many or too old. It is done before learning only, so that it makes no version by itself.
func (c *Classifier) prune(ctx context.Context, dimension string) error {
	return c.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, q := range []struct {
			query string
			args  []any
		}{
			{`DELETE FROM classify_corrections WHERE dimension = $1 AND id <= (
				SELECT id FROM classify_corrections WHERE dimension = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`, []any{dimension, maxKept}},
			{`DELETE FROM classify_corrections WHERE dimension = $1 AND corrected_at < $2 AND (scheme <> $3 OR EXISTS (
				SELECT 1 FROM classify_corrections n WHERE n.message_key = classify_corrections.message_key AND n.dimension = classify_corrections.dimension
				AND n.id > classify_corrections.id))`, []any{dimension, store.Micros(c.o.Now().Add(-history)), scheme}},
		} {
			if _, err := tx.ExecContext(ctx, q.query, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *dimension) use(m *model, version int64, state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if version > d.version {
		d.model, d.version, d.state, d.fresh = m, version, state, 0
	}
}

// Load takes the newest models from the store. Train and Run do that too.
func (c *Classifier) Load(ctx context.Context) error {
	for _, d := range c.dims {
		if err := c.load(ctx, d); err != nil {
			return fmt.Errorf("loading the model of %s: %w", d.Name, err)
		}
	}
	return nil
}

func (c *Classifier) load(ctx context.Context, d *dimension) error {
	d.mu.RLock()
	have := d.version
	d.mu.RUnlock()
	var version int64
	var state string
	var packed []byte
	err := c.o.Store.Reader().QueryRowContext(ctx, `SELECT version, state, model FROM classify_models
		WHERE dimension = $1 AND version > $2 ORDER BY version DESC LIMIT 1`, d.Name, have).Scan(&version, &state, &packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	m := d.empty()
	if err := m.decode(packed, d.allows); err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	d.use(m, version, state)
	return nil
}

// Version is one model of a dimension.
type Version struct {
	Dimension   string
	Version     int64
	TrainedAt   time.Time
	Corrections int // that it learned from
	Used        bool
}

// Versions returns the stored models, newest first.
func (c *Classifier) Versions(ctx context.Context) (list []Version, err error) {
	rows, err := c.o.Store.Reader().QueryContext(ctx,
		"SELECT dimension, version, trained_at, corrections FROM classify_models ORDER BY dimension, version DESC")
	if err != nil {
		return nil, fmt.Errorf("listing models: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v Version
		var at int64
		if err := rows.Scan(&v.Dimension, &v.Version, &at, &v.Corrections); err != nil {
			return nil, fmt.Errorf("listing models: %w", err)
		}
		v.TrainedAt = store.FromMicros(at)
		if d := c.dimension(v.Dimension); d != nil {
			d.mu.RLock()
			v.Used = d.version == v.Version
			d.mu.RUnlock()
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// Run trains and loads until ctx ends, at once and then every Options.Every. Trouble is logged and tried again.
func (c *Classifier) Run(ctx context.Context) {
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	for {
		if _, err := c.Train(ctx); err != nil && ctx.Err() == nil {
			c.o.Logger.Warn("training the classifier", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stored is the form of a model in the store: JSON, compressed.
type stored struct {
	LexWeight float64       `json:"lexicon_weight"`
	NBWeight  float64       `json:"corrections_weight"`
	Docs      int           `json:"docs"`
	IDs       []int64       `json:"ids"`
	All       storedClass   `json:"all"`
	Classes   []storedClass `json:"classes"`
}

type storedClass struct {
	Label  string `json:"label"`
	Docs   int    `json:"docs"`
	Counts []byte `json:"counts"` // pairs of varints: the distance from the last hash, and the count
}

func (m *model) encode() ([]byte, error) {
	s := stored{LexWeight: m.lexWeight, NBWeight: m.nbWeight, Docs: m.docs, IDs: slices.Sorted(maps.Keys(m.ids)), All: m.all.store()}
	for _, c := range m.classes {
		if c.docs > 0 {
			s.Classes = append(s.Classes, c.store())
		}
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (c *class) store() storedClass {
	s := storedClass{Label: c.label, Docs: c.docs}
	last := uint32(0)
	for _, h := range slices.Sorted(maps.Keys(c.counts)) {
		s.Counts = binary.AppendUvarint(s.Counts, uint64(h-last))
		s.Counts = binary.AppendUvarint(s.Counts, uint64(c.counts[h]))
		last = h
	}
	return s
}

var errModel = errors.New("the stored model is damaged")

// decode fills an empty model with what encode wrote.
func (m *model) decode(packed []byte, allows func(string) bool) error {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxModel))
	if err != nil {
		return fmt.Errorf("%w: %w", errModel, err)
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%w: %w", errModel, err)
	}
	if !(s.LexWeight > 0 && s.NBWeight > 0) {
		return errModel
	}
	m.lexWeight, m.nbWeight, m.docs = s.LexWeight, s.NBWeight, s.Docs
	for _, id := range s.IDs {
		m.ids[id] = true
	}
	if err := m.all.restore(s.All); err != nil {
		return err
	}
	for _, c := range s.Classes {
		if !allows(c.Label) {
			continue
		}
		if err := m.class(c.Label).restore(c); err != nil {
			return err
		}
	}
	return nil
}

func (c *class) restore(s storedClass) error {
	c.docs = s.Docs
	hash := uint64(0)
	for b := s.Counts; len(b) > 0; {
		gap, n := binary.Uvarint(b)
		count, k := binary.Uvarint(b[max(n, 0):])
		hash += gap
		if n <= 0 || k <= 0 || hash >= 1<<spaceBits || count > 1<<31 {
			return errModel
		}
		c.counts[uint32(hash)] = uint32(count)
		c.total += count
		b = b[n+k:]
	}
	return nil
}
