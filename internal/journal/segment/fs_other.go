//go:build !linux

package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Lock relies on the operator: only Linux is guarded against two processes on one directory.
func (osFS) Lock(dir string) (io.Closer, error) {
	return os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
}

// Allocate is left out where there is no portable call for it.
func (f osFile) Allocate(int64) error { return fmt.Errorf("allocate: %w", errors.ErrUnsupported) }
