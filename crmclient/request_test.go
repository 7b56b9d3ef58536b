package crmclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"heliograph/crmclient"
)

// stream is a body that says when it is closed.
type stream struct {
	io.Reader
	closed bool
}

func (s *stream) Close() error { s.closed = true; return nil }

func TestNewRequest(t *testing.T) {
	t.Parallel()
	file := &stream{Reader: strings.NewReader("a file")}
	sized := crmclient.Stream(func(context.Context) (crmclient.Content, error) {
		return crmclient.Content{Reader: file, Type: "text/plain", Size: 6}, nil
	})
	unsized := crmclient.Stream(func(context.Context) (crmclient.Content, error) {
		return crmclient.Content{Reader: &stream{Reader: strings.NewReader("a form")}, Type: "multipart/form-data"}, nil
	})
	for name, c := range map[string]struct {
		body          any
		text, content string
		length        int64
	}{
		"none":    {nil, "", "", 0},
		"JSON":    {map[string]any{"subject": "<报价>"}, `{"subject":"<报价>"}` + "\n", "application/json", 23},
		"sized":   {sized, "a file", "text/plain", 6},
		"unsized": {unsized, "a form", "multipart/form-data", -1},
	} {
		req, err := crmclient.NewRequest(t.Context(), http.MethodPost, "https://crm.example/records", c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := io.ReadAll(req.Body)
		length := req.ContentLength
		if length == 0 && req.Body != http.NoBody {
			length = -1 // as net/http has it
		}
		if err != nil || string(text) != c.text || length != c.length {
			t.Errorf("%s: got %q of %d bytes, %v; want %q of %d", name, text, length, err, c.text, c.length)
		}
		if got := req.Header.Get("Content-Type"); got != c.content || req.Header.Get("Accept") != "application/json" {
			t.Errorf("%s: got the header %v", name, req.Header)
		}
	}
	file.closed = false
	_, err := crmclient.NewRequest(t.Context(), http.MethodPost, "https://crm.example/\x7f", sized)
	if crmclient.ClassOf(err) != crmclient.ClassConfiguration || strings.Contains(err.Error(), "crm.example") || !file.closed {
		t.Errorf("a wrong address: got %v, file closed: %v", err, file.closed)
	}
	away := crmclient.Stream(func(context.Context) (crmclient.Content, error) {
		return crmclient.Content{}, errors.New("the disk is away")
	})
	if _, err := crmclient.NewRequest(t.Context(), http.MethodPost, "https://crm.example/", away); err == nil {
		t.Error("a file that is away: got no error")
	}
	if _, err := crmclient.NewRequest(t.Context(), http.MethodPost, "https://crm.example/", make(chan int)); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("what is no JSON: got %v", err)
	}
}

func TestExactJSON(t *testing.T) {
	t.Parallel()
	var got map[string]any
	if err := crmclient.ExactJSON([]byte(` {"order": 123456789012345678901, "amount": 0.10} `), &got); err != nil {
		t.Fatal(err)
	}
	if got["order"] != json.Number("123456789012345678901") || got["amount"] != json.Number("0.10") {
		t.Errorf("got %v", got)
	}
	for _, wrong := range []string{"", "{", "{} {}", "{}x", "<html>"} {
		if err := crmclient.ExactJSON([]byte(wrong), &got); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
		a := crmclient.Answer{Body: []byte(wrong), Status: http.StatusOK}
		if err := a.Exact(&got); crmclient.ClassOf(err) != crmclient.ClassRetry {
			t.Errorf("%q as an answer: got %v", wrong, err)
		}
	}
}

func TestWebPageInPlaceOfAnAnswer(t *testing.T) {
	t.Parallel()
	var into map[string]any
	page := crmclient.Answer{Status: http.StatusOK, Body: []byte("\n<!DOCTYPE html><title>s3cr3t</title>")}
	for name, err := range map[string]error{"JSON": page.JSON(&into), "Exact": page.Exact(&into)} {
		if crmclient.ClassOf(err) != crmclient.ClassRetry || !strings.Contains(crmclient.Remedy(err), "address (url)") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v with the remedy %q", name, err, crmclient.Remedy(err))
		}
	}
	nothing := crmclient.FromStatus(&http.Response{StatusCode: http.StatusNotFound})
	if got := crmclient.Remedy(nothing); !strings.Contains(got, "address (url)") {
		t.Errorf("nothing there: got the remedy %q", got)
	}
}
