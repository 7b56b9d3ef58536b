package crmclient

import (
	"errors"
	"net/url"
	"sync"
	"testing"
)

func TestTransports(t *testing.T) {
	t.Parallel()
	made := 0 // one at a time makes one
	hosts := Transports{New: func(base *url.URL) (*Transport, error) {
		made++
		if base.Host == "broken.example" {
			return nil, errors.New("no such file")
		}
		return NewTransport(Options{Target: "crm", URL: base})
	}}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if _, err := hosts.To([]string{"https://eu.crm.example", "https://us.crm.example"}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made != 2 {
		t.Errorf("%d transports were made, want one for each address", made)
	}
	for _, wrong := range []string{"https://broken.example", "ftp://crm.example", ""} {
		if _, err := hosts.To(wrong); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
	}
	if err := hosts.Close(); err != nil {
		t.Error(err)
	}
}
