package mailtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// IMAPScript is a list of steps of one or several IMAP sessions of one user, in
// order. As text it is one step per line:
//
//	# a comment
//	[QRESYNC] or []      what follows goes to servers with the capability only, or to all
//	[!Courier]           what follows does not go to the server of that name
//	A+                   session A connects and reads the greeting
//	A SELECT INBOX       session A sends a command, with a tag of its own, and reads all to its end
//	A| NOOP              the command goes in one write with those of the next steps; the
//	                     first step without "|" reads all the answers
//	A> IDLE              sends a command and reads up to the "+"
//	A< DONE              sends a line and reads to the end of the command begun with ">"
//	A? * N EXISTS        reads up to a response that begins so, where N is any number
//	A! "text\r\n"        sends bytes, quoted as in Go, and reads nothing
//	A.                   reads until the server closes
//
// In a command <"text"> is a literal, quoted as in Go, for which the server's word
// is awaited, <+"text"> one for which it is not, <~"text"> and <~+"text"> are
// literal8, and a name in place of the quotes stands for bytes that the caller has
// given (<big>, <+big>). ${UIDVALIDITY}, ${MODSEQ} and ${URL} are what the server
// told last in this session, ${USER} and ${PASSWORD} the login; the caller may give more.
type IMAPScript struct {
	steps []imapStep
}

type imapStep struct {
	line     int
	needs    []string // capabilities; "!Name" excludes a server
	session  string
	mark     byte // ' ' + | > < ? ! .
	text     string
	commands int // how many this step sends
}

// Exchange is what came of one step: all the responses read.
type Exchange struct {
	Line      int    // of the script
	Step      string // as in the script
	Responses []IMAPResponse
	Closed    bool  // the server closed the connection at the end
	Err       error // the step could not be played to its end
}

// ParseIMAPScript reads a script.
func ParseIMAPScript(text string) (*IMAPScript, error) {
	s := new(IMAPScript)
	var needs []string
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			needs = strings.Fields(strings.Trim(line, "[]"))
			continue
		}
		step := imapStep{line: i + 1, needs: needs, session: line[:1], mark: ' '}
		if len(line) > 1 {
			step.mark = line[1]
		}
		if !strings.Contains(" +|><?!.", string(step.mark)) {
			return nil, fmt.Errorf("line %d: no such mark in %q", i+1, line)
		}
		if len(line) > 2 {
			step.text = strings.TrimPrefix(line[2:], " ")
		}
		if strings.ContainsRune(" |>", rune(step.mark)) {
			step.commands = 1
		}
		s.steps = append(s.steps, step)
	}
	return s, nil
}

// IMAPPlay is one performance of a script.
type IMAPPlay struct {
	Dial   func() (net.Conn, error)
	User   User
	Server string            // the name that "!" in a script means
	Offers func(string) bool // reports whether the server has a capability
	Bytes  map[string][]byte // what names in literals stand for
	Names  map[string]string // what ${NAME} stands for besides the above
	// Commands counts the commands sent.
	Commands int

	sessions map[string]*imapSession
}

// imapSession is one connection of a play.
type imapSession struct {
	*IMAPConn

	name    string
	next    int      // number of the next tag
	waiting []string // tags of the commands whose answers nobody has read
	queued  strings.Builder
	open    string // tag of the command begun with ">"
	known   map[string]string
}

// Run plays the script to its end, or to the first step that fails, and returns
// what came of each step. It closes the connections.
func (p *IMAPPlay) Run(s *IMAPScript) []Exchange {
	p.sessions = make(map[string]*imapSession)
	defer func() {
		for _, c := range p.sessions {
			_ = c.Close()
		}
	}()
	var all []Exchange
	for _, step := range s.steps {
		if !p.wanted(step) {
			continue
		}
		e := Exchange{Line: step.line, Step: strings.TrimSpace(step.session + string(step.mark) + " " + step.text)}
		p.Commands += step.commands
		e.Responses, e.Err = p.play(step)
		if errors.Is(e.Err, io.EOF) && step.mark == '.' {
			e.Closed, e.Err = true, nil
		}
		all = append(all, e)
		if e.Err != nil {
			break
		}
	}
	return all
}

func (p *IMAPPlay) wanted(step imapStep) bool {
	return !slices.ContainsFunc(step.needs, func(need string) bool {
		if name, not := strings.CutPrefix(need, "!"); not {
			return name == p.Server
		}
		return !p.Offers(need)
	})
}

func (p *IMAPPlay) play(step imapStep) ([]IMAPResponse, error) {
	if step.mark == '+' {
		return p.connect(step.session)
	}
	c := p.sessions[step.session]
	if c == nil {
		return nil, fmt.Errorf("no session %s", step.session)
	}
	text := p.expand(c, step.text)
	rs, err := p.act(c, step.mark, text)
	for _, r := range rs {
		c.learn(r)
	}
	return rs, err
}

func (p *IMAPPlay) act(c *imapSession, mark byte, text string) ([]IMAPResponse, error) {
	switch mark {
	case '|':
		parts, err := p.arguments(text)
		if err != nil {
			return nil, err
		}
		return nil, c.queue(parts)
	case '<':
		if err := c.Say(text + "\r\n"); err != nil {
			return nil, err
		}
		return c.Until(c.open + " ")
	case '?':
		return c.until(beginning(text))
	case '!':
		raw, err := strconv.Unquote(text)
		if err != nil {
			return nil, err
		}
		return nil, c.Say(raw)
	case '.':
		return c.Until("\x00") // nothing begins so
	}
	parts, err := p.arguments(text)
	if err != nil {
		return nil, err
	}
	if len(c.waiting) > 0 {
		return c.flush(parts)
	}
	tag := c.tag()
	if mark == '>' {
		c.open = tag
		early, err := c.send(tag, parts)
		if err != nil {
			return early, err
		}
		rest, err := c.Until("+", tag+" ")
		return append(early, rest...), err
	}
	return c.Command(tag, parts...)
}

func (p *IMAPPlay) connect(name string) ([]IMAPResponse, error) {
	conn, err := p.Dial()
	if err != nil {
		return nil, err
	}
	if old := p.sessions[name]; old != nil {
		_ = old.Close()
	}
	c := &imapSession{IMAPConn: NewIMAPConn(conn), name: name, known: make(map[string]string)}
	p.sessions[name] = c
	greeting, err := c.Response()
	return []IMAPResponse{greeting}, err
}

func (c *imapSession) tag() string {
	c.next++
	return fmt.Sprintf("%s%d", strings.ToLower(c.name), c.next)
}

// queue keeps a command for the next write.
func (c *imapSession) queue(parts []IMAPArgument) error {
	tag := c.tag()
	c.waiting = append(c.waiting, tag)
	c.queued.WriteString(tag + " ")
	for _, part := range parts {
		c.queued.WriteString(part.Text)
		if part.Waits {
			return errors.New("a literal that waits cannot be sent ahead")
		}
		if part.Literal != nil {
			c.queued.WriteString("\r\n")
			c.queued.Write(part.Literal)
		}
	}
	c.queued.WriteString("\r\n")
	return nil
}

// flush sends the queued commands and one more and reads the answers of all.
func (c *imapSession) flush(last []IMAPArgument) ([]IMAPResponse, error) {
	if err := c.queue(last); err != nil {
		return nil, err
	}
	text, tags := c.queued.String(), c.waiting
	c.queued.Reset()
	c.waiting = nil
	if err := c.Say(text); err != nil {
		return nil, err
	}
	var all []IMAPResponse
	for len(tags) > 0 {
		prefixes := make([]string, len(tags))
		for i, tag := range tags {
			prefixes[i] = tag + " "
		}
		rs, err := c.Until(prefixes...)
		all = append(all, rs...)
		if err != nil {
			return all, err
		}
		done, _, _ := strings.Cut(rs[len(rs)-1][0].Text, " ")
		tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag == done })
	}
	return all, nil
}

// beginning returns what a response must match to begin with text.
func beginning(text string) *regexp.Regexp {
	words := strings.Split(text, " ")
	for i, word := range words {
		if words[i] = regexp.QuoteMeta(word); word == "N" {
			words[i] = `\d+`
		}
	}
	return regexp.MustCompile("^" + strings.Join(words, " ") + "( |$)")
}

var imapFacts = map[string]*regexp.Regexp{
	"UIDVALIDITY": regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`),
	"MODSEQ":      regexp.MustCompile(`\[HIGHESTMODSEQ (\d+)\]`),
	"URL":         regexp.MustCompile(`^\* GENURLAUTH "?([^" ]+)`),
}

// learn keeps what a later step may want to say.
func (c *imapSession) learn(r IMAPResponse) {
	for name, form := range imapFacts {
		if m := form.FindStringSubmatch(r[0].Text); m != nil {
			c.known[name] = m[1]
		}
	}
}

var variable = regexp.MustCompile(`\$\{[A-Z]+\}`)

func (p *IMAPPlay) expand(c *imapSession, text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		name := strings.Trim(v, "${}")
		switch name {
		case "USER":
			return p.User.Name
		case "PASSWORD":
			return p.User.Password
		}
		if value, ok := c.known[name]; ok {
			return value
		}
		if value, ok := p.Names[name]; ok {
			return value
		}
		return v
	})
}

var literal = regexp.MustCompile(`<(~?)(\+?)("(?:[^"\\]|\\.)*"|[a-z][a-z0-9-]*)>`)

// arguments splits the text of a command at its literals.
func (p *IMAPPlay) arguments(text string) ([]IMAPArgument, error) {
	var parts []IMAPArgument
	for {
		at := literal.FindStringSubmatchIndex(text)
		if at == nil {
			return append(parts, IMAPArgument{Text: text}), nil
		}
		eight, plus, what := text[at[2]:at[3]], text[at[4]:at[5]], text[at[6]:at[7]]
		var data []byte
		if what[0] == '"' {
			raw, err := strconv.Unquote(what)
			if err != nil {
				return nil, fmt.Errorf("literal %s: %w", what, err)
			}
			data = []byte(raw)
		} else if data = p.Bytes[what]; data == nil {
			return nil, fmt.Errorf("nobody has said what <%s> is", what)
		}
		if data == nil {
			data = []byte{}
		}
		parts = append(parts, IMAPArgument{
			Text: fmt.Sprintf("%s%s{%d%s}", text[:at[0]], eight, len(data), plus), Literal: data, Waits: plus == "",
		})
		text = text[at[1]:]
	}
}
