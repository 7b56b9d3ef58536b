package builtin

import (
	"net"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// freeMail are domains whose users have nothing in common but their provider.
var freeMail = func() map[string]bool {
	m := map[string]bool{}
	for d := range strings.FieldsSeq(`
		qq.com vip.qq.com foxmail.com 163.com vip.163.com 126.com yeah.net 188.com netease.com
		sina.com sina.cn vip.sina.com sohu.com aliyun.com 139.com 189.cn wo.cn 21cn.com tom.com 263.net
		gmail.com googlemail.com outlook.com outlook.cn hotmail.com live.com live.cn msn.com
		yahoo.com yahoo.cn yahoo.com.cn yahoo.com.tw yahoo.com.hk yahoo.co.jp yahoo.co.uk yahoo.fr yahoo.de ymail.com rocketmail.com
		icloud.com me.com mac.com aol.com gmx.com gmx.de gmx.net web.de t-online.de freenet.de mail.com
		proton.me protonmail.com pm.me tutanota.com tuta.io zoho.com fastmail.com hey.com
		mail.ru bk.ru inbox.ru list.ru yandex.ru yandex.com ya.ru rambler.ru naver.com hanmail.net daum.net
		orange.fr free.fr laposte.net wanadoo.fr libero.it virgilio.it tiscali.it hotmail.co.uk btinternet.com
		hotmail.fr hotmail.de hotmail.it outlook.de outlook.fr uol.com.br bol.com.br terra.com.br rediffmail.com seznam.cz wp.pl o2.pl
		pchome.com.tw hinet.net seed.net.tw netvigator.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp`) {
		m[d] = true
	}
	return m
}()

// companyDomain returns the registrable domain of an address whose domain belongs to a company, and nothing for
// free-mail providers, literals and names that nobody can register.
func (c *CRM) companyDomain(address string) string {
	domain := strings.TrimSuffix(strings.ToLower(address[strings.LastIndexByte(address, '@')+1:]), ".")
	if domain == "" || strings.HasPrefix(domain, "[") || net.ParseIP(domain) != nil || freeMail[domain] || c.free[domain] {
		return ""
	}
	ascii, err := idna.Lookup.ToASCII(domain) // the form of the public suffix list
	if err != nil {
		return ""
	}
	base, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil || freeMail[base] || c.free[base] {
		return ""
	}
	if readable, err := idna.Lookup.ToUnicode(base); err == nil {
		return readable
	}
	return base
}
