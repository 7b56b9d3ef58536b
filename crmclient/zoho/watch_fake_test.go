package zoho_test

import (
	"net/http"
	"net/url"
)

func (f *zohoFake) serveWatch(w http.ResponseWriter, r *http.Request, q url.Values, body []byte) {
	f.t.Errorf("watch")
}
