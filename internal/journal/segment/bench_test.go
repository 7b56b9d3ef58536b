package segment_test

import (
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/journal/segment"
)

// BenchmarkSeal measures durable appends of 5 KB.
func BenchmarkSeal(b *testing.B) {
	for _, c := range []struct {
		disk    string
		fs      segment.FS
		writers int
	}{
		{"own", segment.OS, 1},
		{"own", segment.OS, 16},
		{"own", segment.OS, 64},
		{"2ms", slowFS{segment.OS}, 1},
		{"2ms", slowFS{segment.OS}, 16},
		{"2ms", slowFS{segment.OS}, 64},
	} {
		writers := c.writers
		b.Run(fmt.Sprintf("disk=%s/writers=%d", c.disk, writers), func(b *testing.B) {
			l := open(b, segment.Options{Dir: b.TempDir(), FS: c.fs, Keys: segment.NewKeyring(), Sync: true})
			body := text(2, 5000)
			var n atomic.Int64
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			work := make(chan struct{})
			done := make(chan error)
			for range writers {
				go func() {
					var err error
					for range work {
						if err == nil {
							err = put(b.Context(), l, id(int(n.Add(1))), []byte("meta"), body)
						}
					}
					done <- err
				}()
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// slowFS is a disk whose sync takes 2 ms, so that figures of different machines compare.
type slowFS struct{ segment.FS }

func (s slowFS) Create(name string) (segment.File, error) {
	f, err := s.FS.Create(name)
	return slowFile{f}, err
}

type slowFile struct{ segment.File }

func (f slowFile) Sync() error {
	<-time.After(2 * time.Millisecond)
	return nil
}

// BenchmarkStream measures one large message, in and out.
func BenchmarkStream(b *testing.B) {
	for name, seed := range map[string]uint64{"base64": 2, "random": 3} {
		body := text(seed, 10<<20)
		l := open(b, segment.Options{Dir: b.TempDir(), Keys: segment.NewKeyring(), Sync: true})
		b.Run("write/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := put(b.Context(), l, id(1), nil, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		loc := all(b, l, segment.Position{})[0].Loc
		b.Run("read/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				_, r, err := l.Read(loc)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(body)) {
					b.Fatal(n, err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
