package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Notifier is one place where people read notifications: a group robot, or a webhook. Package internal/notify posts to it.
type Notifier struct {
	Name string       `yaml:"name"` // unique; letters a to z, digits, hyphens
	Type NotifierType `yaml:"type"`
	// URL is a secret, because whoever knows it may post.
	URL Secret `yaml:"url"`
	// Secret signs each post, where the vendor has that: dingtalk (加签), feishu (签名校验), webhook (Standard Webhooks).
	Secret Secret `yaml:"secret"`
	// People maps mail addresses to what the vendor knows a person by, so that a message can mention somebody or be for somebody.
	People map[string]string `yaml:"people"`
	// App sends messages to single people: dingtalk, wecom and feishu. URL may be left out with it.
	App          NotifierApp `yaml:"app"`
	Timeout      Duration    `yaml:"timeout"` // of one request; zero means 20 s
	AllowPrivate *bool       `yaml:"allow_private"`
	CAFile       string      `yaml:"ca_file"`
	Proxy        Secret      `yaml:"proxy"`
}

// NotifierApp is an application of a company at the vendor's.
type NotifierApp struct {
	// URL is where the vendor's API is; empty means the vendor's own address. Lark is at https://open.larksuite.com.
	URL    string `yaml:"url"`
	ID     string `yaml:"id"` // AppKey (dingtalk), company id (wecom), App ID (feishu)
	Secret Secret `yaml:"secret"`
	Agent  int64  `yaml:"agent"` // AgentId (dingtalk, wecom)
	// FindByEmail has wecom find people by their addresses.
	FindByEmail bool `yaml:"find_by_email"`
}

// NotifierType is a kind of notifier.
type NotifierType string

// The types.
const (
	NotifyDingTalk NotifierType = "dingtalk"
	NotifyWeCom    NotifierType = "wecom"
	NotifyFeishu   NotifierType = "feishu"
	NotifySlack    NotifierType = "slack"
	NotifyTeams    NotifierType = "teams"
	NotifyWebhook  NotifierType = "webhook"
)

// Allowed lists the values.
func (NotifierType) Allowed() []string {
	return []string{
		string(NotifyDingTalk), string(NotifyWeCom), string(NotifyFeishu), string(NotifySlack), string(NotifyTeams), string(NotifyWebhook),
	}
}

// signed tells whether posts of the type can be signed.
func (t NotifierType) signed() bool {
	return t == NotifyDingTalk || t == NotifyFeishu || t == NotifyWebhook
}

func (v *validator) notifiers() {
	taken := map[string]int{}
	for i := range v.cfg.Notifiers {
		n := &v.cfg.Notifiers[i]
		path := fmt.Sprintf("notifiers[%d]", i)
		v.name(path+".name", n.Name, taken)
		taken[n.Name]++
		v.required(path+".type", string(n.Type), "Write one of "+strings.Join(n.Type.Allowed(), ", ")+".")
		v.notifierApp(path+".app", n)
		personal := n.App.ID != "" && n.URL.IsZero()
		if !personal && v.required(path+".url", n.URL.Reveal(), "Copy the address of the robot or webhook.") {
			if u, err := url.Parse(n.URL.Reveal()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
				v.bad(path+".url", "is not the address of a web page", "Copy the whole address, with https://.")
			}
		}
		if !n.Secret.IsZero() && n.Type != "" && !n.Type.signed() {
			v.bad(path+".secret", "has no use: "+string(n.Type)+" knows no signatures", "Take it out; the address itself is the secret.")
		}
		for address, id := range n.People {
			if !strings.Contains(address, "@") || strings.TrimSpace(id) == "" {
				v.bad(path+".people", quote(address)+" is no mail address, or nothing is behind it", "Write the mail address, a colon, and the person's id or mobile number.")
			}
		}
		if d := n.Timeout.D(); d < 0 {
			v.bad(path+".timeout", "must not be negative", "Write 20s, for example.")
		}
	}
}

func (v *validator) notifierApp(path string, n *Notifier) {
	a := n.App
	if a == (NotifierApp{}) {
		return
	}
	switch n.Type {
	case NotifyDingTalk, NotifyWeCom:
		if a.Agent <= 0 {
			v.bad(path+".agent", "is missing", "Copy the AgentId from the app's page.")
		}
	case NotifyFeishu:
	default:
		v.bad(path, "has no use: "+string(n.Type)+" has no apps that write to people", "Take it out.")
		return
	}
	v.required(path+".id", a.ID, "Copy it from the app's page: AppKey (dingtalk), 企业ID (wecom), App ID (feishu).")
	v.required(path+".secret", a.Secret.Reveal(), "Copy the app's secret, best into a file: secret_file.")
	if u, err := url.Parse(a.URL); a.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		v.bad(path+".url", "is not the address of an API", "Leave it out, or write https:// and the host.")
	}
}

// notifierNames checks a list of notifiers that somebody is to be told by.
func (v *validator) notifierNames(path string, list []string) {
	for i, name := range list {
		if !slices.ContainsFunc(v.cfg.Notifiers, func(n Notifier) bool { return n.Name == name }) {
			v.bad(fmt.Sprintf("%s[%d]", path, i), "there is no notifier "+quote(name), "Write the name of one in notifiers.")
		}
	}
}
