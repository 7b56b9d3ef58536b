package segment

import (
	"fmt"
	"io"
)

// ReadFrom is [Log.Read] for those who have not opened the log, because another process has: entries never change once they are
// located. Only Dir, FS and Keys of o count.
func ReadFrom(o Options, loc Location) (meta []byte, body io.ReadCloser, err error) {
	if o.FS == nil {
		o.FS = osFS{}
	}
	c, err := newCodec(o.Keys)
	if err != nil {
		return nil, nil, fmt.Errorf("reading entry at %s: %w", loc, err)
	}
	l := &Log{dir: o.Dir, fs: o.FS, codec: c}
	return l.Read(loc)
}
