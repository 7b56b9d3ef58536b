package customerbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		date := func(days int, layout string) string { return time.Now().AddDate(0, 0, days).Format(layout) }
		w.receive(bert, strings.Replace(letter(4, "wang@acme.cn", bert, "ＦＵＬＬ width Straße", strings.Repeat("long text. ", 400)),
			"Tue, 10 Nov 2026 08:04:00 +0000", date(0, time.RFC1123Z), 1)+"X-Tag: Ünïcode\n")
		w.mirrored(4, 4)
		raw := letter(5, "wang@acme.cn", bert, "blind", "secret")
		w.send(chef, strings.Replace(raw, "From: wang", "X-Label: Quarterly\nFrom: "+chef+"\nX-Was: wang", 1), "wang@acme.cn", "hidden@elsewhere.example")
		w.mirrored(5, 5)
		w.as(chef, "C: s EXAMINE "+acmeWire+"\nS: * 4 EXISTS\nS: * 0 RECENT\nS: * OK [UIDVALIDITY {any}\nS: * OK [UIDNEXT 5] {any}\nS: * FLAGS {any}\nS: * OK [PERM{any}\nS: s OK {any}\n"+
			searches(map[string]string{
				`ALL`:                                 " 1 2 3 4",
				`SUBJECT "采购"`:                        " 1 2",
				`CHARSET UTF-8 SUBJECT "订单"`:          " 1 2",
				`SUBJECT {6+}` + "\r\n订单":             " 1 2",
				`TEXT "报价单"`:                          " 1",
				`BODY "谢谢"`:                           " 2",
				`FROM wang`:                           " 4",
				`FROM "李伟"`:                           " 2",
				`TO anna`:                             "",
				`TO "王芳"`:                             " 1",
				`SUBJECT "full WIDTH"`:                " 4",
				`SUBJECT STRASSE`:                     "",
				`NOT SUBJECT "采购"`:                    " 3 4",
				`OR FROM "李伟" BODY "报价单"`:             " 1 2",
				`UID 2:* SUBJECT "采购"`:                " 2",
				`2:3 4`:                               "",
				`2:3`:                                 " 2 3",
				`SEEN`:                                " 1 2 3 4",
				`UNSEEN`:                              "",
				`NEW`:                                 "",
				`UNFLAGGED`:                           " 1 2 3 4",
				`KEYWORD x`:                           "",
				`ON 10-Nov-2026`:                      " 1 2 3",
				`SINCE 11-Nov-2026`:                   " 4",
				`BEFORE 11-Nov-2026`:                  " 1 2 3",
				`SENTSINCE ` + date(-1, "2-Jan-2006"): " 4",
				`SENTBEFORE 10-Nov-2026`:              "",
				`LARGER 3000`:                         " 4",
				`SMALLER 3000`:                        " 1 2 3",
				`SMALLER 3000 SUBJECT Re:`:            " 2",
				`SMALLER 3000 BEFORE 11-Nov-2026 LARGER 10`:  " 1 2 3",
				`OR (SMALLER 10) (LARGER 3000 SMALLER 9000)`: " 4",
				`SUBJECT smaller`:            "",
				`HEADER Message-ID <m2@mail`: " 2",
				`HEADER X-Label quarterLY`:   " 3",
				`HEADER X-Label ""`:          " 3",
				`BCC hidden`:                 "",
				`TEXT hidden`:                "",
				`(FROM "李伟" (SUBJECT "采购"))`: " 2",
			})+`
			C: u UID SEARCH RETURN (MIN MAX COUNT) SUBJECT "采购"
			S: * ESEARCH (TAG "u") UID MIN 1 MAX 2 COUNT 2
			S: u OK UID SEARCH completed
			C: v SEARCH RETURN () TEXT long
			S: * ESEARCH (TAG "v") ALL 4
			S: v OK SEARCH completed
			C: w SEARCH CHARSET GBK TEXT x
			S: w NO [BADCHARSET] {any}
			C: x SEARCH RETURN (SAVE) ALL
			S: x NO [CANNOT] {any}
			C: y SEARCH `+strings.Repeat("NOT ", 300)+`ALL
			S: y NO [LIMIT] too many search keys
			C: z SEARCH $
			S: * SEARCH
			S: z OK SEARCH completed`)
		// Whoever sees one of the messages finds that one.
		w.as(anna, "C: s EXAMINE "+acmeWire+"\nS: * 1 EXISTS\nS: * 0 RECENT\nS: * OK [UIDVALIDITY {any}\nS: * OK [UIDNEXT 2] {any}\nS: * FLAGS {any}\nS: * OK [PERM{any}\nS: s OK {any}\n"+
			searches(map[string]string{`SUBJECT "采购"`: " 1", `TEXT "谢谢"`: ""}))
	})
}

// searches makes a script of keys and what they find.
func searches(list map[string]string) string {
	var b strings.Builder
	i := 0
	keys := make([]string, 0, len(list))
	for key := range list {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		i++
		fmt.Fprintf(&b, "C= %q\nS: * SEARCH%s\nS: t%d OK SEARCH completed\n", fmt.Sprintf("t%d SEARCH %s\r\n", i, key), list[key], i)
	}
	return b.String()
}
