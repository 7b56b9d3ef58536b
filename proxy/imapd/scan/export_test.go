package scan

// Held returns how many bytes of memory the scanner holds for lines.
func (s *Server) Held() int { return cap(s.line.buf) + cap(s.line.tail) }

// Held returns how many bytes of memory the scanner holds for lines.
func (c *Client) Held() int { return cap(c.line.buf) + cap(c.line.tail) }
