package upload_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	file := func(name string, size int64) crmclient.Attachment {
		return crmclient.Attachment{Name: name, Size: size, Open: func(context.Context) (io.ReadCloser, error) { return nil, nil }}
	}
	files := []crmclient.Attachment{file("a", 1), {Name: "b", Size: 2}, file("c", 3<<20), file("d", 2<<20), file("e", 1)}
	before := []crmclient.AttachmentLeft{{Name: "film.mp4", Reason: "too large"}}
	for name, c := range map[string]struct {
		limits upload.Limits
		sent   []string
		left   map[string]string
	}{
		"some": {
			upload.Limits{Bytes: 2 << 20, Files: 2},
			[]string{"a", "d"},
			map[string]string{"film.mp4": "too large", "b": "its content is not kept", "c": "larger than 2 MB", "e": "more than 2 files"},
		},
		"small": {
			upload.Limits{Bytes: 1000, Files: 2},
			[]string{"a", "e"},
			map[string]string{"film.mp4": "too large", "b": "its content is not kept", "c": "larger than 1000 bytes", "d": "larger than 1000 bytes"},
		},
		"none": {
			upload.Limits{None: "not here", Bytes: 1, Files: 1},
			nil,
			map[string]string{"film.mp4": "too large", "a": "not here", "b": "not here", "c": "not here", "d": "not here", "e": "not here"},
		},
	} {
		sent, left := c.limits.Split(files, before)
		var names []string
		for _, f := range sent {
			names = append(names, f.Name)
		}
		if !slices.Equal(names, c.sent) || len(left) != len(c.left) {
			t.Errorf("%s: %v are sent, %v are left", name, names, left)
		}
		for _, l := range left {
			if l.Reason != c.left[l.Name] {
				t.Errorf("%s: %s is left because %q, want %q", name, l.Name, l.Reason, c.left[l.Name])
			}
		}
	}
}
