package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// What records carry besides bodies is a version and tagged fields: a tag, the length of the value, the value. Fields
// that are empty are left out, and those with an unknown tag are skipped, so that fields can be added without a new version.
// JSON, which begins with a brace, is what earlier programs wrote.
const (
	metaVersion = 1
	jsonBegins  = '{'
)

var errMeta = errors.New("metadata of a record is damaged")

// The tags of an entry. They never change.
const (
	tagSealedAt = iota + 1
	tagKind
	tagAccount
	tagUpstream
	tagListener
	tagSession
	tagClientIP
	tagHelo
	tagReversePath
	tagMailParams
	tagRecipient // once for each
	tagDotStuffed
	tagReceived
	tagMailbox
	tagUIDValidity
	tagUID
	tagInternalDate
	tagAutomation
)

// The tags of an automation.
const (
	tagEffect = iota + 1
	tagRule
	tagRun
	tagSender
	tagMessageID
	tagList
	tagEssential
	tagAtMostOnce
	tagCopy
	tagPriority
	tagNotBefore
	tagExpiresAt
)

// The tags of a recipient.
const (
	tagAddress = iota + 1
	tagParams
	tagCode
	tagReply
)

// The tags of a verdict.
const (
	tagVerdictCode = iota + 1
	tagVerdictText
	tagVerdictAt
	tagVerdictUIDValidity
	tagVerdictUID
)

// encode returns the metadata of an entry. ID and Size are the record's own.
func (m *meta) encode() []byte {
	e := &m.Envelope
	b := append(make([]byte, 0, 256), metaVersion)
	b = appendTime(b, tagSealedAt, m.SealedAt)
	b = appendText(b, tagKind, string(e.Kind))
	b = appendText(b, tagAccount, e.Account)
	b = appendText(b, tagUpstream, e.Upstream)
	b = appendText(b, tagListener, e.Listener)
	b = appendText(b, tagSession, e.Session)
	b = appendText(b, tagClientIP, e.ClientIP)
	b = appendText(b, tagHelo, e.Helo)
	b = appendText(b, tagReversePath, e.ReversePath)
	b = appendText(b, tagMailParams, e.MailParams)
	var one []byte
	for _, r := range e.Recipients {
		one = appendText(one[:0], tagAddress, r.Address)
		one = appendText(one, tagParams, r.Params)
		one = appendNumber(one, tagCode, uint64(max(r.Code, 0)))
		one = appendText(one, tagReply, r.Reply)
		b = appendBytes(b, tagRecipient, one)
	}
	if e.DotStuffed {
		b = appendNumber(b, tagDotStuffed, 1)
	}
	b = appendTime(b, tagReceived, e.Received)
	b = appendText(b, tagMailbox, e.Mailbox)
	b = appendNumber(b, tagUIDValidity, uint64(e.UIDValidity))
	b = appendNumber(b, tagUID, uint64(e.UID))
	b = appendTime(b, tagInternalDate, e.InternalDate)
	if e.Automated() {
		b = appendBytes(b, tagAutomation, e.Automation.encode())
	}
	return b
}

func (a *Automation) encode() []byte {
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	b := appendText(nil, tagEffect, a.Effect)
	b = appendText(b, tagRule, a.Rule)
	b = appendText(b, tagRun, a.Run)
	b = appendText(b, tagSender, a.Sender)
	b = appendText(b, tagMessageID, a.MessageID)
	b = appendText(b, tagList, a.List)
	b = appendNumber(b, tagEssential, flag(a.Essential))
	b = appendNumber(b, tagAtMostOnce, flag(a.AtMostOnce))
	b = appendNumber(b, tagCopy, flag(a.Copy))
	b = appendNumber(b, tagPriority, uint64(max(a.Priority, 0)))
	b = appendTime(b, tagNotBefore, a.NotBefore)
	return appendTime(b, tagExpiresAt, a.ExpiresAt)
}

func (a *Automation) decode(b []byte) error {
	return tagged(b, func(f field) (err error) {
		switch f.tag {
		case tagEffect:
			a.Effect = string(f.value)
		case tagRule:
			a.Rule = string(f.value)
		case tagRun:
			a.Run = string(f.value)
		case tagSender:
			a.Sender = string(f.value)
		case tagMessageID:
			a.MessageID = string(f.value)
		case tagList:
			a.List = string(f.value)
		case tagEssential:
			a.Essential = true
		case tagAtMostOnce:
			a.AtMostOnce = true
		case tagCopy:
			a.Copy = true
		case tagPriority:
			a.Priority, err = f.code()
		case tagNotBefore:
			a.NotBefore, err = f.time()
		case tagExpiresAt:
			a.ExpiresAt, err = f.time()
		}
		return err
	})
}

func (m *meta) decode(b []byte) error {
	if len(b) > 0 && b[0] == jsonBegins {
		return json.Unmarshal(b, m)
	}
	e := &m.Envelope
	return fields(b, func(f field) (err error) {
		switch f.tag {
		case tagSealedAt:
			m.SealedAt, err = f.time()
		case tagKind:
			e.Kind = Kind(f.value)
		case tagAccount:
			e.Account = string(f.value)
		case tagUpstream:
			e.Upstream = string(f.value)
		case tagListener:
			e.Listener = string(f.value)
		case tagSession:
			e.Session = string(f.value)
		case tagClientIP:
			e.ClientIP = string(f.value)
		case tagHelo:
			e.Helo = string(f.value)
		case tagReversePath:
			e.ReversePath = string(f.value)
		case tagMailParams:
			e.MailParams = string(f.value)
		case tagRecipient:
			var r Recipient
			err = r.decode(f.value)
			e.Recipients = append(e.Recipients, r)
		case tagDotStuffed:
			e.DotStuffed = true
		case tagReceived:
			e.Received, err = f.time()
		case tagMailbox:
			e.Mailbox = string(f.value)
		case tagUIDValidity:
			e.UIDValidity, err = f.uid()
		case tagUID:
			e.UID, err = f.uid()
		case tagInternalDate:
			e.InternalDate, err = f.time()
		case tagAutomation:
			err = e.Automation.decode(f.value)
		}
		return err
	})
}

func (r *Recipient) decode(b []byte) error {
	return tagged(b, func(f field) (err error) {
		switch f.tag {
		case tagAddress:
			r.Address = string(f.value)
		case tagParams:
			r.Params = string(f.value)
		case tagCode:
			r.Code, err = f.code()
		case tagReply:
			r.Reply = string(f.value)
		}
		return err
	})
}

func (v *Verdict) encode() []byte {
	b := append(make([]byte, 0, 64+len(v.Text)), metaVersion)
	b = appendNumber(b, tagVerdictCode, uint64(max(v.Code, 0)))
	b = appendText(b, tagVerdictText, v.Text)
	b = appendTime(b, tagVerdictAt, v.At)
	b = appendNumber(b, tagVerdictUIDValidity, uint64(v.UIDValidity))
	return appendNumber(b, tagVerdictUID, uint64(v.UID))
}

func (v *Verdict) decode(b []byte) error {
	if len(b) > 0 && b[0] == jsonBegins {
		return json.Unmarshal(b, v)
	}
	return fields(b, func(f field) (err error) {
		switch f.tag {
		case tagVerdictCode:
			v.Code, err = f.code()
		case tagVerdictText:
			v.Text = string(f.value)
		case tagVerdictAt:
			v.At, err = f.time()
		case tagVerdictUIDValidity:
			v.UIDValidity, err = f.uid()
		case tagVerdictUID:
			v.UID, err = f.uid()
		}
		return err
	})
}

func appendBytes[T ~string | ~[]byte](b []byte, tag uint64, value T) []byte {
	b = binary.AppendUvarint(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func appendText(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return appendBytes(b, tag, s)
}

func appendNumber(b []byte, tag, n uint64) []byte {
	if n == 0 {
		return b
	}
	var value [binary.MaxVarintLen64]byte
	return appendBytes(b, tag, binary.AppendUvarint(value[:0], n))
}

// appendTime keeps the zone's offset, but not its name.
func appendTime(b []byte, tag uint64, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	var value [3 * binary.MaxVarintLen64]byte
	_, offset := t.Zone()
	v := binary.AppendVarint(value[:0], t.Unix())
	v = binary.AppendUvarint(v, uint64(t.Nanosecond()))
	return appendBytes(b, tag, binary.AppendVarint(v, int64(offset)))
}

// field is one field of a record.
type field struct {
	tag   uint64
	value []byte
}

// fields calls f for the fields behind the version.
func fields(b []byte, f func(field) error) error {
	if len(b) == 0 {
		return errMeta
	}
	if b[0] != metaVersion {
		return fmt.Errorf("metadata of a record has version %d, which only a newer program knows", b[0])
	}
	return tagged(b[1:], f)
}

func tagged(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errMeta
		}
		size, m := binary.Uvarint(b[n:])
		if b = b[n:]; m <= 0 || size > uint64(len(b)-m) {
			return errMeta
		}
		if err := f(field{tag, b[m : m+int(size)]}); err != nil {
			return err
		}
		b = b[m+int(size):]
	}
	return nil
}

// number returns the value as a number of at most limit.
func (f field) number(limit uint64) (uint64, error) {
	v, n := binary.Uvarint(f.value)
	if n != len(f.value) || v > limit {
		return 0, errMeta
	}
	return v, nil
}

func (f field) uid() (uint32, error) {
	v, err := f.number(1<<32 - 1)
	return uint32(v), err
}

func (f field) code() (int, error) {
	v, err := f.number(1<<31 - 1)
	return int(v), err
}

func (f field) time() (time.Time, error) {
	seconds, n := binary.Varint(f.value)
	if n <= 0 {
		return time.Time{}, errMeta
	}
	nanos, m := binary.Uvarint(f.value[n:])
	if m <= 0 || nanos >= 1e9 {
		return time.Time{}, errMeta
	}
	offset, k := binary.Varint(f.value[n+m:])
	if k <= 0 || n+m+k != len(f.value) || offset <= -86400 || offset >= 86400 {
		return time.Time{}, errMeta
	}
	t := time.Unix(seconds, int64(nanos)).UTC()
	if offset != 0 {
		t = t.In(time.FixedZone("", int(offset)))
	}
	return t, nil
}
