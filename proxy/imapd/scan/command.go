package scan

// Command is the first line of a command, taken apart.
type Command struct {
	// Tag as it came; it may be one that no server takes (see ValidTag).
	Tag []byte
	// Verb in upper case, with "UID " before it where the client said so; "" if there is none.
	Verb string
	// Args is what follows behind the verb and one space, with the announcement of a literal.
	Args []byte
}

// verb is what the framing needs to know of a command.
type verb struct {
	name    string
	literal bool // its arguments may hold literals
	binary  bool // and literal8
	clear   bool // tag and verb stand where every server finds them
}

// maxVerb is longer than any verb in the table.
const maxVerb = 24

// verbs has the commands that may hold literals, and the common ones that may not, so that
// their names cost no allocation.
var verbs = verbTable()

func verbTable() map[string]verb {
	table := map[string]verb{}
	put := func(v verb, names ...string) {
		for _, v.name = range names {
			table[v.name] = v
		}
	}
	put(verb{}, "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "UID EXPUNGE",
		"IDLE", "DONE", "NAMESPACE", "COMPRESS", "UNAUTHENTICATE", "CANCELUPDATE")
	put(verb{literal: true},
		"LOGIN", "AUTHENTICATE", "ID", "ENABLE", // RFC 9051, 2971
		"SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "XLIST", "STATUS",
		"SEARCH", "SORT", "THREAD", "FETCH", "STORE", "COPY", "MOVE",
		"UID SEARCH", "UID SORT", "UID THREAD", "UID FETCH", "UID STORE", "UID COPY", "UID MOVE",
		"ESEARCH", "NOTIFY", // RFC 7377, 5465
		"GETQUOTA", "GETQUOTAROOT", "SETQUOTA", // RFC 9208
		"SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS", // RFC 4314
		"GETMETADATA", "GETANNOTATION", // RFC 5464
		"GENURLAUTH", "URLFETCH", "RESETKEY", // RFC 4467
	)
	put(verb{literal: true, binary: true},
		"APPEND", "REPLACE", "UID REPLACE", // RFC 4466, 4469, 6855, 8508
		"SETMETADATA", "SETANNOTATION") // RFC 5464
	return table
}

// ParseCommand takes the first line of a command apart. It is open: several spaces are read
// as one, as some servers do.
func ParseCommand(text []byte) Command {
	cmd, _ := parseCommand(text)
	return cmd
}

func parseCommand(text []byte) (Command, verb) {
	var cmd Command
	rest := trimSpace(text)
	clear := len(rest) == len(text)
	cmd.Tag, rest = token(rest)
	name, rest, single := nextToken(rest)
	clear = clear && single && ValidTag(cmd.Tag)
	var buf [maxVerb]byte
	upper := appendUpper(buf[:0], name)
	if string(upper) == "UID" {
		if second, behind, single := nextToken(rest); len(second) > 0 {
			upper, rest, clear = appendUpper(append(upper, ' '), second), behind, clear && single
		}
	}
	if len(rest) > 0 {
		cmd.Args = rest[1:]
	}
	v, known := verbs[string(upper)]
	if !known {
		v.name = string(upper)
	}
	v.clear = clear
	cmd.Verb = v.name
	return cmd, v
}

// nextToken skips the space before a token and returns it with what follows. The last result
// says that there was one space and no more.
func nextToken(p []byte) (tok, rest []byte, single bool) {
	tok, rest = token(trimSpace(p))
	return tok, rest, len(p) > 0 && p[0] == ' ' && len(p) == 1+len(tok)+len(rest)
}

// token returns what stands before the next space.
func token(p []byte) (tok, rest []byte) {
	for i, c := range p {
		if isSpace(c) {
			return p[:i], p[i:]
		}
	}
	return p, nil
}

func trimSpace(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	return p
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// appendUpper appends p to b in upper case, letters of ASCII only.
func appendUpper(b, p []byte) []byte {
	for _, c := range p {
		b = append(b, upperByte(c))
	}
	return b
}

func upperByte(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// foldEqual tells whether p is the given word in any mixture of cases. The word is in upper
// case and ASCII.
func foldEqual(p []byte, word string) bool {
	if len(p) != len(word) {
		return false
	}
	for i, c := range p {
		if upperByte(c) != word[i] {
			return false
		}
	}
	return true
}

// ValidTag tells whether every server takes this for a tag. RFC 9051, 9: tag.
func ValidTag(tag []byte) bool {
	for _, c := range tag {
		if c != ']' && !isAtomByte(c) || c == '+' {
			return false
		}
	}
	return len(tag) > 0
}

// ValidAtom tells whether p is an atom, such as the name of a capability. RFC 9051, 9: atom.
func ValidAtom(p []byte) bool {
	for _, c := range p {
		if !isAtomByte(c) {
			return false
		}
	}
	return len(p) > 0
}

// isAtomByte has what RFC 9051, 9 calls ATOM-CHAR.
func isAtomByte(c byte) bool {
	switch c {
	case '(', ')', '{', '%', '*', '"', '\\', ']':
		return false
	}
	return c > ' ' && c < 0x7f
}
