package journal

import (
	"errors"
	"fmt"
	"io"
	"os"

	"heliograph/internal/journal/segment"
)

// ReadBody is [Journal.Body] for those who have not opened the journal, which only one process at a time can: a command beside a
// running gateway. dir and keyFile are those of the node that e names.
func ReadBody(dir, keyFile string, e Entry) (io.ReadCloser, error) {
	if _, err := os.Stat(keyFile); errors.Is(err, os.ErrNotExist) { // else a new one would be made
		return nil, fmt.Errorf("body of entry %s: there is no key file %s", e.ID, keyFile)
	}
	keys, _, err := segment.LoadKeyring(keyFile)
	if err != nil {
		return nil, fmt.Errorf("body of entry %s: %w", e.ID, err)
	}
	_, body, err := segment.ReadFrom(segment.Options{Dir: dir, Keys: keys}, e.Location)
	if err != nil {
		return nil, fmt.Errorf("body of entry %s: %w", e.ID, err)
	}
	if e.DotStuffed {
		return &undot{ReadCloser: body}, nil
	}
	return body, nil
}
