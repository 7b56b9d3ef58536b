package upload_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

type source struct {
	io.Reader
	closed *bool
}

func (s source) Close() error { *s.closed = true; return nil }

func TestForm(t *testing.T) {
	t.Parallel()
	closed := false
	f := crmclient.Attachment{Name: "offer \"1\".pdf", Open: func(context.Context) (io.ReadCloser, error) {
		return source{strings.NewReader("an offer\r\n--that is long"), &closed}, nil
	}}
	body, err := upload.Form(f, 9, upload.Field{Name: "folder", Value: "mail"}, upload.Field{Name: "shared", Value: "no"})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(body.Type)
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(body.Reader, params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if form.Value["folder"][0] != "mail" || form.Value["shared"][0] != "no" || len(form.File["file"]) != 1 {
		t.Fatalf("got %+v", form)
	}
	if one := form.File["file"][0]; one.Filename != "offer '1'.pdf" || one.Size != 10 {
		t.Errorf("got %q with %d bytes, want a byte above the limit, by which it is seen to be too long", one.Filename, one.Size)
	}
	if err := body.Reader.(io.Closer).Close(); err != nil || !closed {
		t.Errorf("the file is still open: %v", err)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	closed := false
	content := strings.Repeat("an offer ", 10_000)
	f := crmclient.Attachment{Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return source{strings.NewReader(content), &closed}, nil
	}}
	body, err := upload.JSON(f, "data", map[string]string{"name": "an \"offer\".pdf"})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Name string
		Data []byte
	}
	if err := json.Unmarshal(all, &got); err != nil || got.Name != `an "offer".pdf` || string(got.Data) != content {
		t.Errorf("got %q with %d bytes, %v", got.Name, len(got.Data), err)
	}
	if body.Type != "application/json" || body.Size != int64(len(all)) {
		t.Errorf("got %s with %d bytes, want %d", body.Type, body.Size, len(all))
	}
	if err := body.Reader.(io.Closer).Close(); err != nil || !closed {
		t.Errorf("the file is still open: %v", err)
	}
}

func TestBrokenFile(t *testing.T) {
	t.Parallel()
	broken := crmclient.Attachment{Open: func(context.Context) (io.ReadCloser, error) { return nil, errors.New("the disk is away") }}
	for name, open := range map[string]crmclient.Stream{"form": upload.Form(broken, 9), "json": upload.JSON(broken, "data", nil)} {
		if _, err := open(t.Context()); crmclient.ClassOf(err) != crmclient.ClassRetry {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"报价单.pdf": "报价单.pdf", "": "attachment", "\r\n": "attachment", `..\a/b"c.pdf`: ".. a b'c.pdf", strings.Repeat("长", 200): strings.Repeat("长", 119) + "…",
	} {
		if got := upload.Name(crmclient.Attachment{Name: name}); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("a\x00\"b/..\\c\r\nX: y")
	f.Fuzz(func(t *testing.T, name string) {
		got := upload.Name(crmclient.Attachment{Name: name})
		if got == "" || strings.ContainsAny(got, "\"/\\\r\n\x00") || len([]rune(got)) > upload.MaxName {
			t.Errorf("got %q", got)
		}
	})
}
