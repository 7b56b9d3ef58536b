package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/journal/segment"
	"heliograph/internal/pace"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// defaultNode is the name of the only node.
	defaultNode = "main"
	// defaultUnconfirmedAfter is long enough for most copies in mailboxes to come first.
	defaultUnconfirmedAfter = 5 * time.Minute
	// maxLive is more than a session may wait for a verdict (RFC 5321, 4.5.3.2.6: 10 minutes).
	maxLive = time.Hour
	// closeTimeout bounds how long Close waits for the index.
	closeTimeout = 10 * time.Second
)

var (
	// ErrNotFound says that there is no such entry, or that it was discarded.
	ErrNotFound = errors.New("no such entry")
	// ErrElsewhere says that the body of an entry lies on another node.
	ErrElsewhere = errors.New("entry lies on another node")
	// ErrBehind says that a tee came faster than the disk could take it.
	ErrBehind = segment.ErrBehind
)

// Options configure Open.
type Options struct {
	Dir   string // of the segments; created when it is not there
	Store *store.DB
	Queue *queue.Queue
	// KeyFile holds the master keys; it is created with the first segment. Empty means
	// master.key beside Dir.
	KeyFile string
	Sync    config.SyncMode // empty means always
	// UnconfirmedAfter is how long a sealed entry waits whose session ended without a verdict. Zero means 5 minutes.
	UnconfirmedAfter time.Duration
	SegmentBytes     int64    // zero means segment.DefaultSegmentBytes
	Consumers        []string // each gets a job of the kind JobKind(consumer) for each entry
	// Node tells the journals apart that share a database. It must never change. Empty means "main".
	Node       string
	Pace       *pace.Governor        // holds the index back while mail needs the machine; nil holds nothing back
	Logger     *slog.Logger          // nil means none
	Registerer prometheus.Registerer // nil means none
	FS         segment.FS            // nil means the operating system's
	Now        func() time.Time      // the queue's clock; nil means time.Now
}

// OutboxKind is the kind of the job of an entry that the outbox delivers. Its key and
// its payload are the entry's id as text, as with all jobs of the journal.
const OutboxKind = "outbox"

// JobKind is the kind of the jobs of a consumer.
func JobKind(consumer string) string { return "hook:" + consumer }

// Journal is an open journal. It may be used concurrently.
type Journal struct {
	log         *segment.Log
	db          *store.DB
	queue       *queue.Queue
	node        string
	consumers   []string
	pace        *pace.Governor
	unconfirmed time.Duration
	logger      *slog.Logger
	metrics     *metrics
	mailboxes   *mailboxes
	now         func() time.Time

	closed      chan struct{} // closed by Close, after the log
	stop        context.CancelFunc
	done        chan struct{} // closed when the indexer has ended
	sealed      atomic.Int64  // Unix microseconds of the last Seal
	behindSince atomic.Int64  // Unix microseconds since when the index is behind; 0 while it is not
	closeOnce   sync.Once
	closeErr    error

	mu   sync.Mutex
	live map[ID]time.Time // guarded by mu: sealed here, verdict to come; and since when
}

// Open opens the journal and starts its indexer, which first catches up with what
// earlier processes left. A full disk or a database that is away do not fail Open. A journal
// whose key file is gone does: a new key would make the stored messages unreadable for good.
func Open(ctx context.Context, o Options) (*Journal, error) {
	j := &Journal{
		db: o.Store, queue: o.Queue, node: o.Node, consumers: o.Consumers, pace: o.Pace,
		unconfirmed: o.UnconfirmedAfter, logger: o.Logger, now: o.Now,
		closed: make(chan struct{}), done: make(chan struct{}), live: map[ID]time.Time{},
	}
	if j.now == nil {
		j.now = time.Now
	}
	if j.node == "" {
		j.node = defaultNode
	}
	if j.unconfirmed <= 0 {
		j.unconfirmed = defaultUnconfirmedAfter
	}
	if j.logger == nil {
		j.logger = slog.New(slog.DiscardHandler)
	}
	keys, err := j.loadKeys(o)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	j.log, err = segment.Open(segment.Options{
		Dir: o.Dir, FS: o.FS, Keys: keys, SegmentBytes: o.SegmentBytes,
		Sync: o.Sync != config.SyncBackground, Logger: j.logger, Registerer: o.Registerer,
	})
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	j.mailboxes = &mailboxes{
		log: j.log, db: j.db, logger: j.logger,
		caughtUp: make(chan struct{}), closed: j.closed, kick: make(chan struct{}, 1), done: make(chan struct{}),
		loaded: map[MailboxKey]*mailbox{}, dirty: map[*mailbox]struct{}{},
	}
	j.metrics = newMetrics(j, o.Registerer)
	j.mailboxes.metrics = j.metrics
	// The indexer outlives the context of Open: Close ends it.
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	j.stop = stop
	go j.runIndexer(run)
	go j.mailboxes.run(run)
	return j, nil
}

// loadKeys reads the key file, and creates it only for a journal that is empty.
func (j *Journal) loadKeys(o Options) (*segment.Keyring, error) {
	path := o.KeyFile
	if path == "" {
		path = filepath.Join(filepath.Dir(filepath.Clean(o.Dir)), "master.key")
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		exists, err := segment.Exists(o.FS, o.Dir)
		if err != nil {
			return nil, err
		}
		if exists {
			return nil, fmt.Errorf("key file %s is missing, but %s holds messages that only it can open: "+
				"restore it from your backup, or move that directory away to begin anew", path, o.Dir)
		}
	}
	keys, created, err := segment.LoadKeyring(path)
	if created {
		j.logger.Warn("master key created: back this file up, without it no stored message can be read", "key_file", path)
	}
	return keys, err
}

// Close writes what is left, lets the indexer finish, and ends it. It is bounded and
// may be called more than once.
func (j *Journal) Close() error {
	j.closeOnce.Do(func() {
		j.closeErr = j.log.Close()
		close(j.closed)
		timer := time.NewTimer(closeTimeout)
		defer timer.Stop()
		for _, done := range []<-chan struct{}{j.done, j.mailboxes.done} {
			select {
			case <-done:
			case <-timer.C:
				j.logger.Warn("the index is not up to date; the next start catches up")
				j.stop()
			}
		}
		j.stop()
		<-j.done
		<-j.mailboxes.done
		j.metrics.unregister()
	})
	return j.closeErr
}

// Err returns why messages cannot be stored at the moment, or nil. It is for readiness.
func (j *Journal) Err() error { return j.log.Err() }

// Body returns the message as the sender's program wrote it: dot-stuffing is undone.
// The reader gives an error instead of io.EOF when the stored copy is damaged. The caller closes it.
func (j *Journal) Body(_ context.Context, e Entry) (io.ReadCloser, error) {
	if e.Node != j.node {
		return nil, fmt.Errorf("body of entry %s: %w (%s)", e.ID, ErrElsewhere, e.Node)
	}
	_, body, err := j.log.Read(e.Location)
	if err != nil {
		return nil, fmt.Errorf("body of entry %s: %w", e.ID, err)
	}
	if e.DotStuffed {
		return &undot{ReadCloser: body}, nil
	}
	return body, nil
}
