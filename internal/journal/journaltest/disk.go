package journaltest

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"heliograph/internal/journal/segment"
)

// Kind is what an Op does.
type Kind string

// The kinds of operations that change a disk, and the note.
const (
	Create   Kind = "create"
	Remove   Kind = "remove"
	Write    Kind = "write"
	Allocate Kind = "allocate"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	SyncDir  Kind = "syncdir"
	Note     Kind = "note" // no operation: see Disk.Note
)

// Op is one entry of the record.
type Op struct {
	Kind Kind
	Name string // file or directory

	inode  *inode
	data   []byte
	off    int64 // of a write; the size for Allocate and Truncate
	failed bool  // of a Sync
	note   any
}

// String is for messages of tests.
func (o Op) String() string {
	return fmt.Sprintf("%s %s %d+%d", o.Kind, filepath.Base(o.Name), o.off, len(o.data))
}

// inode is a file as running processes see it.
type inode struct {
	content
}

// Disk is a file system in memory. It may be used concurrently.
type Disk struct {
	mu     sync.Mutex // guards the fields below
	names  map[string]*inode
	record []Op
	limit  int64 // bytes that all files together may have; 0 means any number
	locked map[string]bool
	start  *image

	hook func(Op) error // see Fail
}

var _ segment.FS = (*Disk)(nil)

// NewDisk returns an empty disk.
func NewDisk() *Disk { return newImage().disk() }

// Fail makes f decide about each operation before it happens: an error is returned in
// its place, after a part of a write and after a Sync that leaves it open what is on disk.
// f may block, as a slow disk does. It must be set while the disk is not in use, or be nil.
func (d *Disk) Fail(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = f
}

// Limit sets how many bytes all files together may have; 0 means any number.
func (d *Disk) Limit(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = n
}

// Note adds v to the record, so that a test knows what it was promised before a cut.
func (d *Disk) Note(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = append(d.record, Op{Kind: Note, note: v})
}

// Ops returns how many operations, notes included, were recorded.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.record)
}

// Names returns the names of all files.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Damage changes the bytes of a file where they lie, as a bad disk does.
func (d *Disk) Damage(name string, change func(b []byte)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	b := make([]byte, f.size)
	_, _ = f.ReadAt(b, 0) // memory: cannot fail
	change(b)
	f.write(b, 0)
}

// ask consults the hook without holding the mutex.
func (d *Disk) ask(op Op) error {
	d.mu.Lock()
	hook := d.hook
	d.mu.Unlock()
	if hook == nil {
		return nil
	}
	if err := hook(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

func (d *Disk) room(n int64) error {
	if d.limit == 0 || n <= 0 {
		return nil
	}
	for _, f := range d.names {
		n += f.size
	}
	if n > d.limit {
		return syscall.ENOSPC
	}
	return nil
}

// MkdirAll has nothing to do: directories are there, durably.
func (d *Disk) MkdirAll(string) error { return nil }

// Lock keeps out other users of this Disk.
func (d *Disk) Lock(dir string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked[dir] {
		return nil, fmt.Errorf("%s is in use", dir)
	}
	d.locked[dir] = true
	return unlock{d, dir}, nil
}

type unlock struct {
	disk *Disk
	dir  string
}

func (u unlock) Close() error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	delete(u.disk.locked, u.dir)
	return nil
}

// List returns the names in dir.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// Create makes an empty file.
func (d *Disk) Create(name string) (segment.File, error) {
	name = filepath.Clean(name)
	op := Op{Kind: Create, Name: name, inode: &inode{}}
	if err := d.ask(op); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	d.names[name] = op.inode
	d.record = append(d.record, op)
	return &file{d, op.inode, name}, nil
}

// Open opens a file that exists.
func (d *Disk) Open(name string) (segment.File, error) {
	name = filepath.Clean(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{d, f, name}, nil
}

// Remove removes the name of a file.
func (d *Disk) Remove(name string) error {
	op := Op{Kind: Remove, Name: filepath.Clean(name)}
	if err := d.ask(op); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[op.Name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.names, op.Name)
	d.record = append(d.record, op)
	return nil
}

// Truncate sets the size of a file.
func (d *Disk) Truncate(name string, size int64) error {
	op := Op{Kind: Truncate, Name: filepath.Clean(name), off: size}
	if err := d.ask(op); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if op.inode = d.names[op.Name]; op.inode == nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: fs.ErrNotExist}
	}
	if err := d.room(size - op.inode.size); err != nil {
		return err
	}
	d.apply(op)
	return nil
}

// SyncDir makes the names in dir durable.
func (d *Disk) SyncDir(dir string) error {
	op := Op{Kind: SyncDir, Name: filepath.Clean(dir)}
	if err := d.ask(op); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record = append(d.record, op)
	return nil
}

// apply changes the content of a file. It needs the mutex.
func (d *Disk) apply(op Op) {
	op.change(&op.inode.content)
	d.record = append(d.record, op)
}

// change does to c what the operation does to a file.
func (o Op) change(c *content) {
	switch o.Kind {
	case Write:
		c.write(o.data, o.off)
	case Allocate:
		c.resize(max(c.size, o.off))
	case Truncate:
		c.resize(o.off)
	}
}

// file is an open file.
type file struct {
	disk  *Disk
	inode *inode
	name  string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.inode.ReadAt(p, off)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	op := Op{Kind: Write, Name: f.name, inode: f.inode, off: off}
	failure := f.disk.ask(op)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if failure == nil {
		if err := f.disk.room(off + int64(len(p)) - f.inode.size); err != nil {
			failure = &fs.PathError{Op: "write", Path: f.name, Err: err}
		}
	}
	if failure != nil {
		p = p[:len(p)/3]
	}
	op.data = slices.Clone(p)
	f.disk.apply(op)
	return len(p), failure
}

func (f *file) Allocate(size int64) error {
	op := Op{Kind: Allocate, Name: f.name, inode: f.inode, off: size}
	if err := f.disk.ask(op); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.room(size - f.inode.size); err != nil {
		return &fs.PathError{Op: "allocate", Path: f.name, Err: err}
	}
	f.disk.apply(op)
	return nil
}

func (f *file) Sync() error {
	op := Op{Kind: Sync, Name: f.name, inode: f.inode}
	err := f.disk.ask(op)
	op.failed = err != nil
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.record = append(f.disk.record, op)
	return err
}

func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.inode.size, nil
}

func (f *file) Close() error { return nil }

// Copy returns a disk with the same files, everything durable and nothing recorded.
func (d *Disk) Copy() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	im := newImage()
	for name, in := range d.names {
		im.durable[name] = in
		im.stable[in] = &stable{content: in.clone()}
	}
	return im.disk()
}
