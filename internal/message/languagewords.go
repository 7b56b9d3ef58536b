package message

import (
	"strings"
	"sync"
)

// frequentWords are words that most texts of a language have and few of the others, business letters
// among them.
var frequentWords = []struct{ tag, words string }{
	{"en", "the and of to in is are was were be for with that this you your we our have has please thanks thank would will can could should from not it if as at on by regards best dear hi hello attached find know let i am my do any all been there they their which when what how order price quote shipment delivery invoice meeting"},
	{"de", "der die das und ist sind nicht mit für auf wir sie ich ein eine einen dem den des zu von bitte danke vielen dank ihre ihr uns unser haben hat werden wird können auch noch wenn dass oder bei nach über anbei angebot lieferung rechnung grüße freundlichen sehr geehrte geehrter hallo guten tag"},
	{"fr", "le la les des une est sont pas avec pour dans nous vous votre notre que qui sur par merci bonjour cordialement veuillez ci-joint et du au aux ce cette mais ou où je avons avez être été plus bien commande devis livraison facture prix cher madame monsieur"},
	{"es", "el los las una es son no con para por que del en su sus nuestro usted ustedes gracias hola saludos adjunto por favor y al lo se como pero más hemos está estamos pedido precio entrega factura estimado estimada buenos días cotización nos le"},
	{"pt", "o os as um uma é são não com para por que do da dos das em no na seu sua nosso você vocês obrigado obrigada olá bom dia segue anexo favor e ao se como mas mais estamos está pedido preço entrega fatura prezado prezada atenciosamente nos cotação"},
	{"it", "il lo gli una è sono non con per che di del della dei in su nel suo nostro grazie buongiorno saluti cordiali allegato e al si come ma più abbiamo siamo ordine prezzo consegna fattura gentile offerta vi le"},
	{"nl", "de het een en is zijn niet met voor op wij we u uw ik van dat die te bij naar ook nog als maar om dank graag groet bijlage offerte levering factuur beste heer mevrouw hebben heeft kunnen wordt onze"},
	{"pl", "i w na z do nie się jest są że to dla od po proszę dziękuję dzień dobry pozdrawiam załączeniu oferta oferty zamówienie cena dostawa faktura jak oraz czy państwa nasze szanowni"},
	{"sv", "och att det som en ett är inte med för på vi ni du jag har kan av till från om tack hej vänliga hälsningar bifogat offert leverans faktura pris vår er ska blir"},
	{"tr", "ve bir bu için ile da de çok teşekkürler merhaba lütfen ekte saygılarımla sipariş fiyat teslimat fatura olarak değil biz siz sayın iyi günler bilgi var"},
	{"vi", "và là của có không cho với được này các một những chúng tôi bạn xin cảm ơn chào trân trọng kính gửi anh chị báo giá đơn hàng giao"},
	{"id", "dan yang di untuk dengan ini itu tidak kami anda saya terima kasih dari ke pada adalah akan sudah mohon terlampir salam hormat harga pesanan pengiriman"},
}

// wordLanguages tells of which languages a word is a frequent one.
var wordLanguages = sync.OnceValue(func() map[string][]string {
	m := map[string][]string{}
	for _, l := range frequentWords {
		for w := range strings.FieldsSeq(l.words) {
			if n := len(m[w]); n == 0 || m[w][n-1] != l.tag {
				m[w] = append(m[w], l.tag)
			}
		}
	}
	return m
})

// Frequent characters whose two ways to be written differ.
const (
	simplifiedText  = "们这来时会个国说为对过发后里么间现经问门头无长书东车见马业个开关产电话计认设议请谢记录订货价报贵询单时间样质检税额号收确认实际运输费货库厂务处办总经销电机联系图纸书复传备应双证进还运远连达选边过应该让谁谈调论语课"
	traditionalText = "們這來時會個國說為對過發後裡麼間現經問門頭無長書東車見馬業開關產電話計認設議請謝記錄訂貨價報貴詢單樣質檢稅額號確實際運輸費庫廠務處辦總銷機聯繫圖紙複傳備應雙證進還遠連達選邊該讓誰談調論語課"
)

// simplifiedOnly and traditionalOnly are those that only one of the two ways to write Chinese has.
var (
	simplifiedOnly  = onlyIn(simplifiedText, traditionalText)
	traditionalOnly = onlyIn(traditionalText, simplifiedText)
)

func onlyIn(text, other string) map[rune]bool {
	m := map[rune]bool{}
	for _, r := range text {
		m[r] = !strings.ContainsRune(other, r)
	}
	return m
}
