package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// FS is what the log needs of a file system. Names are paths. Nothing is durable
// before Sync of the file and, for a name, SyncDir of its directory have returned nil.
type FS interface {
	// MkdirAll creates dir and its parents, durably.
	MkdirAll(dir string) error
	// Lock makes the caller the only user of dir until the result is closed or the process ends.
	Lock(dir string) (io.Closer, error)
	// List returns the names in dir, without their path.
	List(dir string) ([]string, error)
	// Create creates a file that must not exist yet.
	Create(name string) (File, error)
	// Open opens an existing file for reading and Sync.
	Open(name string) (File, error)
	Remove(name string) error
	Truncate(name string, size int64) error
	SyncDir(dir string) error
}

// File is an open file of an FS. ReadAt and WriteAt may run concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Allocate reserves the first size bytes. An error that wraps
	// errors.ErrUnsupported means that the file system cannot do that.
	Allocate(size int64) error
	// Sync makes the content durable, and the size as far as reading it needs.
	Sync() error
	Size() (int64, error)
}

// OS is the FS of the operating system.
var OS FS = osFS{}

type osFS struct{}

func (fs osFS) MkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := fs.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return fs.SyncDir(parent)
}

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) Truncate(name string, size int64) error { return os.Truncate(name, size) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close() // the error of Sync says more
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return d.Close()
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
