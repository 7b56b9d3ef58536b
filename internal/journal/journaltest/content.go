package journaltest

import "io"

const pageSize = 4096

// content is the content of a file. Pages are never changed once they are written, so
// that a copy of a content costs next to nothing, however many cuts there are.
type content struct {
	size  int64
	pages [][]byte // nil is a page of zeros
}

func (c content) clone() content {
	return content{c.size, append([][]byte(nil), c.pages...)}
}

func (c *content) resize(size int64) {
	if size < c.size { // growing again gives zeros, not the old bytes
		c.pages = c.pages[:min(len(c.pages), int((size+pageSize-1)/pageSize))]
		if rest := size % pageSize; rest > 0 && int(size/pageSize) < len(c.pages) {
			if old := c.pages[size/pageSize]; old != nil {
				page := make([]byte, pageSize)
				copy(page, old[:rest])
				c.pages[size/pageSize] = page
			}
		}
	}
	c.size = size
}

func (c *content) write(p []byte, off int64) {
	c.size = max(c.size, off+int64(len(p)))
	for len(p) > 0 {
		n, at := int(off/pageSize), int(off%pageSize)
		for len(c.pages) <= n {
			c.pages = append(c.pages, nil)
		}
		page := make([]byte, pageSize)
		copy(page, c.pages[n])
		done := copy(page[at:], p)
		c.pages[n] = page
		p, off = p[done:], off+int64(done)
	}
}

func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= c.size {
		return 0, io.EOF
	}
	if left := c.size - off; int64(len(p)) > left {
		p, err = p[:left], io.EOF
	}
	for n < len(p) {
		page, at := int((off+int64(n))/pageSize), int((off+int64(n))%pageSize)
		part := p[n:min(len(p), n+pageSize-at)]
		if page < len(c.pages) && c.pages[page] != nil {
			copy(part, c.pages[page][at:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return n, err
}
