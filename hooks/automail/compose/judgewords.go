package compose

// awaySubjects begin the subjects of automatic answers, in lower case. Most are what Exchange, Gmail, QQ, NetEase, Coremail,
// Dovecot and ticket systems put before the subject of what they answer.
var awaySubjects = []string{
	// Chinese
	"自动回复", "自动答复", "自動回覆", "自動答覆", "自动应答", "【自动回复】", "[自动回复]", "(自动回复)", "（自动回复）", "外出自动回复", "不在办公室", "不在辦公室", "休假自动回复", "外出：", "外出:", "本人正在休假",
	// English
	"automatic reply", "automatic response", "auto reply", "auto-reply", "autoreply", "auto response", "auto-response", "autoresponse", "auto:", "autoresponder", "out of office", "out of the office",
	"out-of-office", "ooo:", "away from the office", "vacation:", "vacation reply", "vacation notice", "[auto-reply]", "[auto reply]", "i am out of office",
	"i'm out of office", "i am out of the office", "i'm out of the office", "absent:",
	// German, Dutch
	"automatische antwort", "abwesenheitsnotiz", "abwesenheit", "abwesend", "ich bin abwesend", "außer haus", "automatisch antwoord", "afwezig", "niet aanwezig",
	// French, Spanish, Portuguese, Italian, Catalan, Romanian
	"réponse automatique", "absence du bureau", "absent du bureau", "message d'absence", "absence :", "respuesta automática", "respuesta automatica", "fuera de la oficina", "fuera de oficina", "ausente:",
	"resposta automática", "resposta automatica", "ausência temporária", "fora do escritório", "risposta automatica", "fuori sede", "fuori ufficio", "assente:", "resposta automàtica", "răspuns automat",
	// Nordic
	"autosvar", "automatiskt svar", "automatisk svar", "frånvaro", "fravær", "ikke på kontoret", "inte på kontoret", "automaattinen vastaus", "poissa:", "poissaolo",
	// Slavic, Hungarian, Greek, Turkish
	"automatyczna odpowiedź", "odpowiedź automatyczna", "autoodpowiedź", "nieobecność", "automatická odpověď", "automatická odpoveď", "mimo kancelář", "автоматический ответ", "автоответ", "автоматична відповідь", "автоматичен отговор",
	"отсутствие на работе", "samodejni odgovor", "automatski odgovor", "automatikus válasz", "házon kívül", "αυτόματη απάντηση", "otomatik yanıt", "otomatik cevap", "ofis dışında",
	// Japanese, Korean, Vietnamese, Thai, Indonesian
	"自動応答", "自動返信", "不在通知", "不在のお知らせ", "不在:", "자동 회신", "자동회신", "자동 응답", "부재중", "부재 중", "trả lời tự động", "thư trả lời tự động", "ตอบกลับอัตโนมัติ", "การตอบกลับอัตโนมัติ", "balasan otomatis", "balasan automatik",
	// Hebrew, Arabic
	"תשובה אוטומטית", "מענה אוטומטי", "رد تلقائي", "الرد التلقائي",
}
