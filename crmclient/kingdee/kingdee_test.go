package kingdee_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/kingdee"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secrets must appear nowhere; sessions are those that the fake gives.
var secrets = []string{appSecret, "session-s3cr3t", identity, "AFBTDA4MDg4FBwEGAgBXUFNQBwUBAwIG"}

func sectionFor(url string) kingdee.Config {
	return kingdee.Config{
		Settings:  crmclient.Settings{URL: url + "/K3Cloud/"},
		AccountID: account, User: user, AppID: appID, AppSecret: config.NewSecret(appSecret),
		Contacts: []kingdee.Person{{Title: "FPost", Changed: "FModifyDate"}},
		Mail:     kingdee.Mail{Form: mailForm, Fields: fieldmap.Fields{"F_HG_Key": fieldmap.From("key")}},
	}
}

func open(t *testing.T, cfg kingdee.Config, d crmclient.Deps) *kingdee.Client {
	t.Helper()
	if d.Target == "" {
		d.Target = "erp"
	}
	c, err := kingdee.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	k := c.(*kingdee.Client)
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func subject(change func(*site, *kingdee.Config)) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake {
			s := newSite(t)
			var cfg kingdee.Config
			change(s, &cfg)
			return s
		},
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := sectionFor(c.URL)
			cfg.Timeout = config.Duration(c.Timeout)
			change(f.(*site), &cfg)
			return open(t, cfg, crmclient.Deps{Logger: c.Logger})
		},
		Secrets: secrets,
		MaxText: 150_000, // 50,000 characters
		Faults: []crmtest.Fault{
			fault("session lost again and again", "1", "会话信息已丢失", crmclient.ClassAuth),
			fault("session lost, in words", "0", "会话信息已丢失，请重新登录", crmclient.ClassAuth),
			fault("no permission", "2", "没有权限", crmclient.ClassAuth),
			fault("no licence", "7", "许可数不足", crmclient.ClassConfiguration),
			fault("exception", "4", "x", crmclient.ClassRetry),
			fault("database", "6", "x", crmclient.ClassRetry),
			fault("lock", "13", "网络控制冲突", crmclient.ClassRetry),
			fault("limit", "14", "x", crmclient.ClassRate),
			fault("validation", "11", "x", crmclient.ClassPermanent),
			fault("administrator", "15", "x", crmclient.ClassAuth),
			fault("no form", "0", "业务对象不存在", crmclient.ClassConfiguration),
			fault("unknown", "0", "x", crmclient.ClassPermanent),
			fault("unknown code", "99", "x", crmclient.ClassPermanent),
		},
	}
}

func fault(name, code, text string, class crmclient.Class) crmtest.Fault {
	return crmtest.Fault{Name: name, Class: class, Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		(&site{}).answer(w, problem("Save", code, text))
	}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(func(*site, *kingdee.Config) {}))
}
