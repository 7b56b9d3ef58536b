package fieldmap

import (
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
)

// Letter writes the mail as one text with its head, for CRMs of China whose records have one field for all of it.
func Letter(a *crmclient.Activity) string {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", label, value)
		}
	}
	v := Activity(a)
	list := func(source string) string {
		l, _ := v[source].([]string)
		return strings.Join(l, ", ")
	}
	line("主题", a.Subject)
	line("时间", a.Date.In(time.FixedZone("CST", 8*60*60)).Format("2006-01-02 15:04"))
	line("发件人", v["from"].(string))
	line("收件人", list("to"))
	line("抄送", list("cc"))
	line("附件", list("attachments"))
	line("未同步的附件", list("attachments_left"))
	b.WriteString("\n" + a.Text)
	return b.String()
}
