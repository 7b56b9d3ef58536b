package salesforce

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"heliograph/crmclient"
)

// usage watches what is left of the requests of a day, which all programs of the organisation share.
type usage struct {
	reserve int // percent that are left to others
	now     func() time.Time

	mu         sync.Mutex // guards all below
	used, most int64      // of the limit that is nearest to its end; most is zero until Salesforce told
	asked      time.Time  // when a request was last let through beyond the share
}

// lookAgain is how often one request is let through although the share is used up: only an answer tells that the day went on.
const lookAgain = 10 * time.Minute

// allow returns an error of ClassRate when only the reserve is left.
func (u *usage) allow() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.most == 0 || u.used*100 < u.most*int64(100-u.reserve) {
		return nil
	}
	now := u.now()
	wait := lookAgain - now.Sub(u.asked)
	if wait <= 0 || wait > lookAgain { // the clock was set back
		u.asked = now
		return nil
	}
	return &crmclient.Error{
		Class: crmclient.ClassRate, RetryAfter: wait,
		Message: fmt.Sprintf("%d of the %d API requests of 24 hours are used; the last %d percent are left to others", u.used, u.most, u.reserve),
		Remedy:  "raise the limit in Setup (System Overview, API Usage), or lower api_reserve",
	}
}

// observe reads the header Sforce-Limit-Info: api-usage=18/5000; per-app-api-usage=17/250(appName=x).
func (u *usage) observe(header string) {
	used, most := int64(0), int64(0)
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "api-usage" && name != "per-app-api-usage" {
			continue
		}
		value, _, _ = strings.Cut(value, "(")
		a, b, _ := strings.Cut(value, "/")
		n, err1 := strconv.ParseInt(a, 10, 32)
		m, err2 := strconv.ParseInt(b, 10, 32)
		if err1 != nil || err2 != nil || n < 0 || m <= 0 {
			continue
		}
		if most == 0 || n*most > used*m { // nearer to its end
			used, most = n, m
		}
	}
	if most == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.most == 0 || u.used*100 < u.most*int64(100-u.reserve) {
		u.asked = u.now() // the wait begins when the share is found used up
	}
	u.used, u.most = used, most
}
