package scan

// item is a kind of item in a FETCH response.
type item uint8

const (
	itemOther item = iota
	itemUID
	itemFlags
	itemModSeq
	itemSize
	itemInternalDate
	itemEnvelope
	itemBody     // BODY[…]
	itemBinary   // BINARY[…]
	itemMessage  // RFC822
	itemFragment // RFC822.HEADER, RFC822.TEXT
)

// itemOf reads the name of an item in any case.
func itemOf(name []byte) item {
	const longest = 16
	if len(name) > longest {
		return itemOther
	}
	var buf [longest]byte
	switch string(appendUpper(buf[:0], name)) {
	case "UID":
		return itemUID
	case "FLAGS":
		return itemFlags
	case "MODSEQ":
		return itemModSeq
	case "RFC822.SIZE":
		return itemSize
	case "INTERNALDATE":
		return itemInternalDate
	case "ENVELOPE":
		return itemEnvelope
	case "BODY", "BODY.PEEK": // the second only from servers that echo the request
		return itemBody
	case "BINARY", "BINARY.PEEK":
		return itemBinary
	case "RFC822":
		return itemMessage
	case "RFC822.HEADER", "RFC822.TEXT":
		return itemFragment
	}
	return itemOther
}

// isBody says that the value is a message or a part of one.
func (i item) isBody() bool {
	return i == itemBody || i == itemBinary || i == itemMessage || i == itemFragment
}

// touches says that who asks for this reads the message.
func (i item) touches() bool { return i.isBody() || i == itemEnvelope }

// HasFlag tells whether the flag, such as "\Seen", is in the list, which stands without its
// parentheses.
func HasFlag(flags []byte, flag string) bool {
	for p := trimSpace(flags); len(p) > 0; p = trimSpace(p) {
		var f []byte
		if f, p = token(p); len(f) == len(flag) && equalFold(f, flag) {
			return true
		}
	}
	return false
}

// equalFold is foldEqual for a word in any case, of the same length.
func equalFold(p []byte, word string) bool {
	for i, c := range p {
		if upperByte(c) != upperByte(word[i]) {
			return false
		}
	}
	return true
}

// quotedEnd returns how long the quoted string is that p begins with, quotes included, -1 if
// it does not end.
func quotedEnd(p []byte) int {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// appendUnquoted appends what stands between quotes, with its escapes undone.
func appendUnquoted(b, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+1 < len(p) {
			i++
		}
		b = append(b, p[i])
	}
	return b
}
