package crmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"testing"

	"heliograph/crmclient"
)

// ObjectKeeper is a Fake with an object, such as a deal or a row of a form, whose records the vendor's own users can change.
// Its client must be a crmclient.RecordReader; what else it is, the suite finds out.
type ObjectKeeper interface {
	Object() Object
	// PutObject makes a record, or changes fields of the one with the id, and returns its id. The fields are those
	// that Object names; a number is a json.Number.
	PutObject(t *testing.T, id string, fields map[string]any) string
	DeleteObject(t *testing.T, id string)
	// ObjectFields returns the stored fields, or false where there is no such record.
	ObjectFields(t *testing.T, id string) (map[string]any, bool)
	// ObjectsWithText returns the ids of the records whose text field has just this text.
	ObjectsWithText(t *testing.T, text string) []string
}

// Object says how to try the records of an object.
type Object struct {
	Name      string
	Text      string // name of a field for a text of 80 characters, which can be searched
	Number    string // name of a field for a decimal number; empty where there is none
	MissingID string // a well-formed id that no record has
	Deletes   bool   // RecordChanges tells of deleted records
	TellsOwn  bool   // RecordChanges tells what the connection itself wrote
	TellsOld  bool   // RecordChanges tells former values
}

// objects is a bench whose fake keeps objects.
type objects struct {
	*bench
	Object
	keep   ObjectKeeper
	reader crmclient.RecordReader
}

func (s Subject) runObjects(t *testing.T) {
	if _, ok := s.Fake(t).(ObjectKeeper); !ok {
		return
	}
	each := func(name string, body func(t *testing.T, o *objects)) {
		t.Run("records: "+name, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			o := &objects{bench: b, keep: b.fake.(ObjectKeeper)}
			o.Object = o.keep.Object()
			var ok bool
			if o.reader, ok = crmclient.As[crmclient.RecordReader](b.client); !ok {
				t.Fatal("the fake keeps objects, but the client reads none")
			}
			body(t, o)
		})
	}
	each("read", testReading)
	each("described", testDescribing)
	each("made once", testMakingOnce)
	each("made at once", testMakingAtOnce)
	each("updated, the rest stays", testUpdating)
	each("changes are told", testRecordChanges)
	each("many changes, none is left out", testManyChanges)
	each("a cursor of nowhere is refused", testForeignRecordCursor)
	each("our own writing is told as such", testOwnWriting)
	each("queried over pages", testQueryPages)
	each("each comparison is right or refused", testComparisons)
	each("quotes are data", testQuotesAreData)
	each("files, once each", testFiles)
	s.filesOnWire(t)
	if _, ok := crmclient.As[crmclient.RecordWriter](s.start(t, longTimeout).client); ok {
		s.around(t, "make a record", func(o OtherWriter) func(*http.Request) bool { return o.WritesObject },
			func(ctx context.Context, c crmclient.Client) error {
				o := s.Fake(t).(ObjectKeeper).Object()
				_, err := able[crmclient.RecordWriter](c).CreateRecord(ctx, o.Name, "around-object", map[string]any{o.Text: "around the write"})
				return err
			},
			func(t *testing.T, b *bench) { wantObjects(t, b.fake.(ObjectKeeper), "around the write", 1) })
	}
}

func wantObjects(t *testing.T, k ObjectKeeper, text string, want int) {
	t.Helper()
	if got := k.ObjectsWithText(t, text); len(got) != want {
		t.Errorf("records with the text %q: got %d, want %d", text, len(got), want)
	}
}

// fields returns the fields of a record with the text and, where the object has one, the number.
func (o *objects) fields(text string, number string) map[string]any {
	f := map[string]any{o.Text: text}
	if o.Number != "" {
		f[o.Number] = json.Number(number)
	}
	return f
}

// sameNumber compares decimal numbers exactly, however they are written.
func sameNumber(got, want any) bool {
	g, ok := new(big.Rat).SetString(fmt.Sprint(got))
	w, ok2 := new(big.Rat).SetString(fmt.Sprint(want))
	return ok && ok2 && g.Cmp(w) == 0
}

func (o *objects) same(t *testing.T, r crmclient.Record, id, text, number string) {
	t.Helper()
	if r.ID != id || r.Object != o.Name || r.Fields[o.Text] != text {
		t.Errorf("record: got %s %s with %v, want %s with the text %q", r.Object, r.ID, r.Fields[o.Text], id, text)
	}
	if o.Number != "" && !sameNumber(r.Fields[o.Number], number) {
		t.Errorf("record %s: number: got %v, want %s", id, r.Fields[o.Number], number)
	}
}

func testReading(t *testing.T, o *objects) {
	const text = `Pump "P-7" <王> & Söhne 👋 \ 100%`
	id := o.keep.PutObject(t, "", o.fields(text, "1234.5"))
	r, err := o.reader.ReadRecord(t.Context(), o.Name, id)
	if err != nil {
		t.Fatal(err)
	}
	o.same(t, r, id, text, "1234.5")
	o.keep.PutObject(t, id, o.fields("changed", "0"))
	if r, err = o.reader.ReadRecord(t.Context(), o.Name, id); err != nil {
		t.Fatal(err)
	}
	o.same(t, r, id, "changed", "0")
	for _, missing := range []string{o.MissingID, "x'y\"z/../1"} {
		if _, err := o.reader.ReadRecord(t.Context(), o.Name, missing); !errors.Is(err, crmclient.ErrNoRecord) || crmclient.ClassOf(err) != crmclient.ClassPermanent {
			t.Errorf("record %q: got %v, want a permanent ErrNoRecord", missing, err)
		}
	}
}

func testDescribing(t *testing.T, o *objects) {
	d, ok := crmclient.As[crmclient.Describer](o.client)
	if !ok {
		return
	}
	fields, err := d.DescribeObject(t.Context(), o.Name)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]crmclient.Field{}
	for _, f := range fields {
		if f.Name == "" || f.Type == "" {
			t.Errorf("field without a name or type: %+v", f)
		}
		has[f.Name] = f
	}
	if f, ok := has[o.Text]; !ok || f.ReadOnly {
		t.Errorf("field %s: got %+v, want one that can be written", o.Text, f)
	}
	if _, ok := has[o.Number]; o.Number != "" && !ok {
		t.Errorf("field %s is not told", o.Number)
	}
	if fields, err := d.DescribeObject(t.Context(), "NoSuchObject_x"); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("an object that is not there: got %v, %v; want a configuration error", fields, err)
	}
}

func (o *objects) writer() (crmclient.RecordWriter, bool) {
	w, ok := crmclient.As[crmclient.RecordWriter](o.client)
	return w, ok
}

func testMakingOnce(t *testing.T, o *objects) {
	w, ok := o.writer()
	if !ok {
		return
	}
	var first string
	for i := range 3 {
		receipt, err := w.CreateRecord(t.Context(), o.Name, "object-key-1", o.fields("made once 王", "12.25"))
		if err != nil || receipt.RemoteID == "" {
			t.Fatalf("got %+v, %v; want a receipt with an id", receipt, err)
		}
		if i == 0 {
			first = receipt.RemoteID
		} else if receipt.RemoteID != first {
			t.Errorf("again: got the id %s, want %s", receipt.RemoteID, first)
		}
	}
	wantObjects(t, o.keep, "made once 王", 1)
	r, err := o.reader.ReadRecord(t.Context(), o.Name, first)
	if err != nil {
		t.Fatal(err)
	}
	o.same(t, r, first, "made once 王", "12.25")
	if _, err := w.CreateRecord(t.Context(), o.Name, "object-key-2", o.fields("made once 王", "12.25")); err != nil {
		t.Fatal(err)
	}
	wantObjects(t, o.keep, "made once 王", 2) // another key is another record
	if _, err := w.CreateRecord(t.Context(), o.Name, "object-key-3", map[string]any{o.Text: "bad field", "NoSuchField_x": 1}); err == nil || crmclient.ClassOf(err) == crmclient.ClassRetry {
		t.Errorf("a field that is not there: got %v, want an error that does not ask for another try", err)
	}
	wantObjects(t, o.keep, "bad field", 0)
}

func testMakingAtOnce(t *testing.T, o *objects) {
	w, ok := o.writer()
	if !ok {
		return
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 2 {
				if _, err := w.CreateRecord(t.Context(), o.Name, fmt.Sprintf("object-at-once-%d", i), o.fields(fmt.Sprintf("at once %d", i), "1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for i := range 8 {
		wantObjects(t, o.keep, fmt.Sprintf("at once %d", i), 1)
	}
}

func testUpdating(t *testing.T, o *objects) {
	w, ok := o.writer()
	if !ok {
		return
	}
	id := o.keep.PutObject(t, "", o.fields("before the update", "7"))
	for range 2 { // again changes nothing
		if err := w.UpdateRecord(t.Context(), o.Name, id, map[string]any{o.Text: "after the update 👋"}); err != nil {
			t.Fatal(err)
		}
		got, _ := o.keep.ObjectFields(t, id)
		if got[o.Text] != "after the update 👋" || o.Number != "" && !sameNumber(got[o.Number], "7") {
			t.Errorf("got %v, want the new text and the old number", got)
		}
	}
	if o.Number != "" {
		if err := w.UpdateRecord(t.Context(), o.Name, id, map[string]any{o.Number: json.Number("8.5")}); err != nil {
			t.Fatal(err)
		}
		if got, _ := o.keep.ObjectFields(t, id); got[o.Text] != "after the update 👋" || !sameNumber(got[o.Number], "8.5") {
			t.Errorf("got %v, want the new number and the text as it was", got)
		}
	}
	if err := w.UpdateRecord(t.Context(), o.Name, o.MissingID, map[string]any{o.Text: "ghost"}); err == nil || crmclient.ClassOf(err) == crmclient.ClassRetry {
		t.Errorf("a record that is not there: got %v, want an error that does not ask for another try", err)
	}
	wantObjects(t, o.keep, "ghost", 0)
}

// maxPolls is how often the suite asks for changes until it has seen what it waits for. Polls that overlap may repeat changes for ever.
const maxPolls = 60

// first returns the client that tells changes and its first cursor.
func (o *objects) first(t *testing.T) (crmclient.RecordChanges, string) {
	t.Helper()
	c, ok := crmclient.As[crmclient.RecordChanges](o.client)
	if !ok {
		t.Skipf("%T tells no changes of records", o.client)
	}
	changes, cursor, err := c.RecordChanges(t.Context(), o.Name, nil, "")
	if err != nil || len(changes) != 0 || cursor == "" {
		t.Fatalf("the first cursor: got %d changes, %q, %v; want none and a cursor", len(changes), cursor, err)
	}
	return c, cursor
}

// await polls until done says that all has come.
func (o *objects) await(t *testing.T, c crmclient.RecordChanges, cursor string, see func(crmclient.RecordChange), done func() bool) string {
	t.Helper()
	for range maxPolls {
		changes, next, err := c.RecordChanges(t.Context(), o.Name, []string{o.Text}, cursor)
		if err != nil || next == "" {
			t.Fatalf("changes: got the cursor %q, %v", next, err)
		}
		cursor = next
		for _, change := range changes {
			see(change)
		}
		if done() {
			return cursor
		}
	}
	t.Fatal("the change is not told")
	return ""
}

func testRecordChanges(t *testing.T, o *objects) {
	before := o.keep.PutObject(t, "", o.fields("changes: old", "1"))
	c, cursor := o.first(t)
	texts, old, gone := map[string]any{}, map[string]any{}, map[string]bool{}
	see := func(change crmclient.RecordChange) {
		texts[change.ID], gone[change.ID] = change.Fields[o.Text], change.Deleted
		if v, ok := change.Old[o.Text]; ok {
			old[change.ID] = v
		}
	}
	made := o.keep.PutObject(t, "", o.fields("changes: made", "2"))
	cursor = o.await(t, c, cursor, see, func() bool { return texts[made] == "changes: made" })
	o.keep.PutObject(t, before, o.fields("changes: new 王", "1"))
	o.keep.PutObject(t, made, o.fields("changes: second", "2"))
	cursor = o.await(t, c, cursor, see, func() bool { return texts[before] == "changes: new 王" && texts[made] == "changes: second" })
	if o.TellsOld && old[before] != "changes: old" {
		t.Errorf("former value: got %v, want the text from before", old[before])
	}
	o.keep.DeleteObject(t, made)
	if o.Deletes {
		o.await(t, c, cursor, see, func() bool { return gone[made] })
	}
}

func testManyChanges(t *testing.T, o *objects) {
	const many = 230 // more than a page at most vendors
	c, cursor := o.first(t)
	want := map[string]string{}
	for i := range many {
		text := fmt.Sprintf("many changes %d", i)
		want[o.keep.PutObject(t, "", o.fields(text, "1"))] = text
	}
	see := func(change crmclient.RecordChange) {
		if change.Fields[o.Text] == want[change.ID] {
			delete(want, change.ID)
		}
	}
	cursor = o.await(t, c, cursor, see, func() bool { return len(want) == 0 })
	// While somebody writes between the pages.
	for i := range many / 2 {
		text := fmt.Sprintf("meanwhile %d", i)
		want[o.keep.PutObject(t, "", o.fields(text, "1"))] = text
		if i%40 == 39 {
			cursor = o.await(t, c, cursor, see, func() bool { return true })
		}
	}
	o.await(t, c, cursor, see, func() bool { return len(want) == 0 })
}

func testForeignRecordCursor(t *testing.T, o *objects) {
	c, _ := o.first(t)
	if _, _, err := c.RecordChanges(t.Context(), o.Name, nil, "no cursor of mine"); !errors.Is(err, crmclient.ErrCursorExpired) {
		t.Errorf("got %v, want ErrCursorExpired", err)
	}
}

func testOwnWriting(t *testing.T, o *objects) {
	w, ok := o.writer()
	if !ok || !o.TellsOwn {
		return
	}
	theirs := o.keep.PutObject(t, "", o.fields("own: theirs", "1"))
	c, cursor := o.first(t)
	receipt, err := w.CreateRecord(t.Context(), o.Name, "own-key", o.fields("own: ours", "1"))
	if err != nil {
		t.Fatal(err)
	}
	o.keep.PutObject(t, theirs, o.fields("own: theirs again", "1"))
	own := map[string]bool{}
	o.await(t, c, cursor, func(change crmclient.RecordChange) {
		own[fmt.Sprint(change.Fields[o.Text])] = change.Own
	}, func() bool { return len(own) > 1 })
	if !own["own: ours"] || own["own: theirs again"] {
		t.Errorf("own: got %v for our record %s, want ours only", own, receipt.RemoteID)
	}
}
