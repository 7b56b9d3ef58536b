package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// syncTime is the median time of one write of 5 KB and its sync in a folder: what a
// single client must wait for, at the least, when each message is made durable.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // the folder goes as a whole anyway
	defer f.Close()
	const size, writes = 5000, 40
	b := make([]byte, size)
	if _, err := f.Write(make([]byte, size*writes)); err != nil { // preallocated, as a journal is
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	var all []time.Duration
	for i := range int64(writes) {
		start := time.Now()
		if _, err := f.WriteAt(b, i*size); err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("sync: %w", err)
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return quantile(all, 0.5), nil
}
