package crmclient

import (
	"net"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// CompanyDomains tells which domains belong to companies. The zero value knows the well-known providers.
type CompanyDomains struct {
	free map[string]bool // further domains of providers, in ASCII
}

// NewCompanyDomains returns one that also knows the domains of further providers.
func NewCompanyDomains(free []string) CompanyDomains {
	c := CompanyDomains{free: map[string]bool{}}
	for _, d := range free {
		if ascii := asciiName(strings.ToLower(d)); ascii != "" {
			c.free[ascii] = true
		}
	}
	return c
}

// Of returns the registrable domain (by the public suffix list) of an address whose domain belongs to a company, in
// Unicode where it can be shown so. It returns nothing for providers of mailboxes, address literals and names
// that nobody can register.
func (c CompanyDomains) Of(address string) string {
	domain := strings.TrimSuffix(strings.ToLower(address[strings.LastIndexByte(address, '@')+1:]), ".")
	if domain == "" || len(domain) > maxAddress || strings.HasPrefix(domain, "[") || net.ParseIP(domain) != nil {
		return ""
	}
	ascii, err := idna.Lookup.ToASCII(domain) // the form of the public suffix list
	if err != nil || c.provider(ascii) {
		return ""
	}
	base, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil || c.provider(base) {
		return ""
	}
	return readable(base)
}

func (c CompanyDomains) provider(ascii string) bool {
	if freeMail[ascii] || c.free[ascii] {
		return true
	}
	brand, rest, _ := strings.Cut(ascii, ".")
	if !freeBrands[brand] {
		return false
	}
	suffix, _ := publicsuffix.PublicSuffix(ascii)
	return suffix == rest
}

// freeBrands are providers that have a domain in each country.
var freeBrands = set(`yahoo ymail hotmail outlook googlemail gmx yandex protonmail rocketmail windowslive`)

// freeMail are domains whose users have nothing in common but their provider: of mailboxes, of the internet, of telephones,
// and of addresses for a day.
var freeMail = set(`
	qq.com vip.qq.com foxmail.com 163.com vip.163.com 163.net 126.com vip.126.com yeah.net 188.com vip.188.com netease.com
	sina.com sina.cn vip.sina.com vip.sina.cn sina.com.cn sohu.com vip.sohu.com vip.sohu.net chinaren.com
	aliyun.com alimail.com 139.com wo.cn 189.cn 21cn.com 21cn.net tom.com vip.tom.com 263.net 263.com x263.net
	eyou.com 2980.com 88.com email.cn citiz.net online.sh.cn sogou.com
	mail.china.com china.com 
	gmail.com googlemail.com outlook.com hotmail.com live.com live.cn live.co.uk live.de live.fr live.it live.nl
	live.com.au live.com.mx live.com.pt live.com.sg live.com.ar live.com.my live.hk live.jp live.ca live.be live.dk live.ie live.in
	live.no live.ru live.se live.at live.co.kr live.co.za live.cl live.com.ph msn.com msn.cn passport.com
	yahoo.com yahoo.co.jp ymail.ne.jp myyahoo.com kimo.com icloud.com me.com mac.com aol.com aol.de aol.fr aol.co.uk aim.com
	netscape.net compuserve.com verizon.net att.net sbcglobal.net bellsouth.net comcast.net xfinity.com cox.net charter.net
	earthlink.net mindspring.com optonline.net roadrunner.com rr.com frontier.com frontiernet.net windstream.net centurylink.net
	juno.com netzero.net peoplepc.com prodigy.net pacbell.net ameritech.net embarqmail.com centurytel.net suddenlink.net wowway.com
	rogers.com shaw.ca sympatico.ca telus.net videotron.ca bell.net cogeco.ca eastlink.ca
	gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de arcor.de 1und1.de online.de kabelmail.de vodafone.de mail.de
	posteo.de posteo.net mailbox.org email.de unitybox.de ewetel.net netcologne.de
	mail.com email.com usa.com post.com europe.com asia.com consultant.com engineer.com iname.com myself.com
	proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tutamail.com tuta.io tuta.com keemail.me
	zoho.com zohomail.com fastmail.com fastmail.fm fastmail.net hey.com hushmail.com runbox.com startmail.com mailfence.com
	disroot.org riseup.net ctemplar.com skiff.com duck.com simplelogin.com anonaddy.com inbox.com lycos.com excite.com mail2world.com
	mail.ru bk.ru inbox.ru list.ru internet.ru xmail.ru rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru ya.ru yandex.ru yandex.com
	narod.ru pochta.ru qip.ru hotbox.ru land.ru ukr.net i.ua meta.ua bigmir.net tut.by mail.kz
	naver.com hanmail.net daum.net kakao.com nate.com empas.com korea.com hanmir.com paran.com dreamwiz.com freechal.com chol.com
	lycos.co.kr netian.com
	docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp vodafone.ne.jp ybb.ne.jp nifty.com nifty.ne.jp biglobe.ne.jp so-net.ne.jp
	ocn.ne.jp plala.or.jp dion.ne.jp infoseek.jp excite.co.jp goo.jp goo.ne.jp mail.goo.ne.jp livedoor.com hi-ho.ne.jp asahi-net.or.jp
	auone-net.jp eonet.ne.jp zaq.ne.jp uqwimax.jp ymobile.ne.jp willcom.com 
	pchome.com.tw hinet.net msa.hinet.net ms.hinet.net seed.net.tw giga.net.tw url.com.tw so-net.net.tw mail2000.com.tw xuite.net
	netvigator.com hkbn.net hkbnmail.com i-cable.com ctimail.com ctimail3.com hknet.com biznetvigator.com sinaman.com 
	orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr club-internet.fr numericable.fr aliceadsl.fr voila.fr cegetel.net
	libero.it virgilio.it tiscali.it tin.it alice.it tim.it iol.it inwind.it blu.it fastwebnet.it email.it teletu.it vodafone.it pec.it
	tiscali.co.uk tiscali.fr tiscali.de btinternet.com btopenworld.com talktalk.net talk21.com sky.com virginmedia.com virgin.net ntlworld.com
	blueyonder.co.uk o2.co.uk plus.net plusnet.com tesco.net orange.net fsmail.net eircom.net
	terra.es telefonica.net movistar.es ono.com jazzfree.com orange.es sapo.pt mail.pt clix.pt netcabo.pt
	ziggo.nl kpnmail.nl kpnplanet.nl planet.nl home.nl hetnet.nl xs4all.nl chello.nl casema.nl quicknet.nl upcmail.nl telenet.be skynet.be
	proximus.be scarlet.be pandora.be
	bluewin.ch hispeed.ch sunrise.ch swissonline.ch chello.at aon.at a1.net utanet.at inode.at
	telia.com comhem.se bredband.net spray.se passagen.se online.no broadpark.no getmail.no tele2.se tdcadsl.dk mail.dk jubii.dk stofanet.dk
	luukku.com elisanet.fi kolumbus.fi suomi24.fi pp.inet.fi
	seznam.cz email.cz post.cz centrum.cz atlas.cz volny.cz centrum.sk azet.sk zoznam.sk wp.pl o2.pl onet.pl op.pl vp.pl poczta.onet.pl interia.pl
	interia.eu gazeta.pl tlen.pl poczta.fm go2.pl freemail.hu citromail.hu indamail.hu t-online.hu abv.bg mail.bg dir.bg
	otenet.gr forthnet.gr hol.gr in.gr mynet.com superonline.com ttmail.com walla.co.il walla.com netvision.net.il zahav.net.il bezeqint.net
	uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com r7.com oi.com.br zipmail.com.br
	prodigy.net.mx hotmail.com.mx terra.com fibertel.com.ar ciudad.com.ar arnet.com.ar speedy.com.ar vtr.net une.net.co
	rediffmail.com rediff.com indiatimes.com sify.com vsnl.com vsnl.net bsnl.in airtelmail.com 
	bigpond.com bigpond.net.au optusnet.com.au optushome.com.au iinet.net.au internode.on.net tpg.com.au westnet.com.au dodo.com.au
	xtra.co.nz slingshot.co.nz clear.net.nz
	singnet.com.sg pacific.net.sg starhub.net.sg streamyx.com tm.net.my telkom.net plasa.com cbn.net.id indosat.net.id
	vnn.vn fpt.vn hn.vnn.vn hcm.vnn.vn pldtdsl.net smartbro.net truemail.co.th sanook.com
	mweb.co.za webmail.co.za telkomsa.net vodamail.co.za absamail.co.za emirates.net.ae eim.ae maktoob.com
	mailinator.com guerrillamail.com 10minutemail.com temp-mail.org yopmail.com trashmail.com sharklasers.com dispostable.com
	maildrop.cc getnada.com mailnesia.com throwawaymail.com tempmail.com moakt.com mohmal.com fakeinbox.com`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
