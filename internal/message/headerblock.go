package message

import "strings"

// labelKind is a field of a quoted header.
type labelKind int

const (
	noLabel labelKind = iota
	fromLabel
	sentLabel
	toLabel
	ccLabel
	subjectLabel
)

// labels are the names of fields as Outlook, Foxmail, QQ, Exmail, DingTalk, Lark and others
// show them above what they quote; lower case, without spaces.
var labels = map[string]labelKind{
	"from": fromLabel, "von": fromLabel, "de": fromLabel, "da": fromLabel, "van": fromLabel, "från": fromLabel, "fra": fromLabel, "od": fromLabel,
	"发件人": fromLabel, "寄件者": fromLabel, "寄件人": fromLabel, "發件人": fromLabel, "发送人": fromLabel, "发信人": fromLabel, "差出人": fromLabel,
	"보낸사람": fromLabel, "보낸이": fromLabel, "от": fromLabel, "откого": fromLabel,
	"sent": sentLabel, "date": sentLabel, "sentat": sentLabel, "gesendet": sentLabel, "datum": sentLabel, "envoyé": sentLabel, "enviado": sentLabel,
	"enviadoel": sentLabel, "fecha": sentLabel, "data": sentLabel, "inviato": sentLabel, "verzonden": sentLabel, "skickat": sentLabel,
	"发送时间": sentLabel, "发送日期": sentLabel, "发件时间": sentLabel, "日期": sentLabel, "时间": sentLabel, "時間": sentLabel, "寄件日期": sentLabel,
	"發送時間": sentLabel, "傳送時間": sentLabel, "送信日時": sentLabel, "日時": sentLabel, "보낸날짜": sentLabel, "날짜": sentLabel, "отправлено": sentLabel, "дата": sentLabel,
	"to": toLabel, "an": toLabel, "à": toLabel, "a": toLabel, "para": toLabel, "aan": toLabel, "till": toLabel, "til": toLabel, "do": toLabel,
	"收件人": toLabel, "收件者": toLabel, "收信人": toLabel, "宛先": toLabel, "받는사람": toLabel, "кому": toLabel,
	"cc": ccLabel, "kopie": ccLabel, "copie": ccLabel, "抄送": ccLabel, "抄送人": ccLabel, "副本": ccLabel, "참조": ccLabel, "копия": ccLabel,
	"subject": subjectLabel, "betreff": subjectLabel, "objet": subjectLabel, "asunto": subjectLabel, "assunto": subjectLabel, "oggetto": subjectLabel,
	"onderwerp": subjectLabel, "ämne": subjectLabel, "emne": subjectLabel, "temat": subjectLabel,
	"主题": subjectLabel, "主題": subjectLabel, "主旨": subjectLabel, "标题": subjectLabel, "件名": subjectLabel, "제목": subjectLabel, "тема": subjectLabel,
}

// maxLabel in octets: the longest above, spread by spaces and set in bold by stars.
const maxLabel = 60

// label tells which field of a quoted header the row is.
func label(row string) labelKind {
	head := row[:min(len(row), maxLabel)]
	i := strings.IndexByte(head, ':')
	if j := strings.Index(head, "："); i < 0 || j >= 0 && j < i {
		i = j
	}
	if i <= 0 {
		return noLabel
	}
	name := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '*', '\u00a0', '\u3000', '|':
			return -1
		}
		return r
	}, head[:i])
	return labels[strings.ToLower(name)]
}

// maxHeaderBlock is how many lines below its first a quoted header may take; long lists of
// recipients wrap.
const maxHeaderBlock = 12

// startsHeaderBlock wants a From line and two more fields soon below. From, To and a date alone may
// be somebody's journey, so that there must be a subject or an address, too.
func startsHeaderBlock(rows []string, i int) bool {
	if label(rows[i]) != fromLabel {
		return false
	}
	fields := map[labelKind]bool{}
	address := strings.Contains(rows[i], "@")
	gap := 0
	for _, row := range rows[i+1 : min(i+1+maxHeaderBlock, len(rows))] {
		k := label(row)
		if k == noLabel {
			if gap++; gap > 3 {
				break
			}
			continue
		}
		gap = 0
		fields[k] = true
		address = address || strings.Contains(row, "@")
	}
	return len(fields) >= 2 && (fields[subjectLabel] || address && (fields[sentLabel] || fields[ccLabel]))
}
