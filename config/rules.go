package config

import (
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Rules is what rules need of their surroundings. The rules themselves are in the database: "heliograph rule import" puts them there.
type Rules struct {
	// Sender is the address that rules write from when they name none: one of outbox.senders, or an enrolled account.
	Sender string `yaml:"sender"`
	// Target is the CRM that contacts, companies and tickets come from when a rule names none; empty: the first target.
	Target string `yaml:"target"`
	// Calendar names the business calendar of rules that name none: cn, plain, or one of CalendarFiles.
	Calendar      string     `yaml:"calendar"`
	CalendarFiles []string   `yaml:"calendar_files"`
	Lists         []RuleList `yaml:"lists"`
	// Related says where the deal, ticket or order of a contact is. For the built-in CRM deals and tickets are known.
	Related    []RuleRelation `yaml:"related"`
	Webhooks   []RuleWebhook  `yaml:"webhooks"` // by which other systems start rules
	Calls      []RuleCall     `yaml:"calls"`    // secrets for systems that rules call
	Roles      []RuleRole     `yaml:"roles"`    // whom approvals ask
	Reports    Reports        `yaml:"reports"`
	Tables     []RuleTable    `yaml:"tables"` // that reports are made from, or set beside others
	Classifier Classifier     `yaml:"classifier"`
	Keep       Duration       `yaml:"keep"` // how long what rules did can be looked up
	Workers    int            `yaml:"workers"`
	// AllowPrivate lets rules call addresses inside the own network.
	AllowPrivate bool `yaml:"allow_private"`
}

// RuleList is a list that conditions can ask by its name.
type RuleList struct {
	Name    string   `yaml:"name"`
	Entries []string `yaml:"entries"`
	File    string   `yaml:"file"` // one entry a line, # begins a comment; read again on reload
}

// RuleRelation says in which object of a target the records of a kind are, and by which field they belong to a contact.
type RuleRelation struct {
	Name   string `yaml:"name"`   // deal, ticket or order
	Target string `yaml:"target"` // empty: Rules.Target, or the first one
	Object string `yaml:"object"`
	Field  string `yaml:"field"` // the field that has the contact
	// By is what of the contact the field has: id (the default), address or company.
	By string `yaml:"by"`
}

// RuleWebhook is an address, /events/NAME, at which another system tells what happened.
type RuleWebhook struct {
	Name string `yaml:"name"`
	// Secret signs the deliveries as Standard Webhooks do; Token comes as "Authorization: Bearer". One of them is needed.
	Secret Secret `yaml:"secret"`
	Token  Secret `yaml:"token"`
}

// RuleCall is the secret by which a system that rules call knows us.
type RuleCall struct {
	Name   string `yaml:"name"`
	Secret Secret `yaml:"secret"`
}

// RuleRole is a name for people whom approvals ask: role:NAME in a rule.
type RuleRole struct {
	Name    string   `yaml:"name"`
	Members []string `yaml:"members"` // mailboxes
}

// Reports says how rules draw documents.
type Reports struct {
	Font     string `yaml:"font"` // TTF file with the characters that are used; empty: looked for where Debian puts it
	BoldFont string `yaml:"bold_font"`
}

// RuleTable is a table that somebody uploaded, such as a budget.
type RuleTable struct {
	Name  string `yaml:"name"`
	File  string `yaml:"file"`  // .csv, .tsv, .txt or .xlsx; read each time when it is used
	Sheet string `yaml:"sheet"` // of a workbook; empty: the first that holds something
}

// Classifier says what the step classify tells mail apart by.
type Classifier struct {
	Threshold float64 `yaml:"threshold"` // probability below which the answer is "don't know"
	// ProductLines are the answers for the dimension product_line. Empty: those that people gave.
	ProductLines []string       `yaml:"product_lines"`
	Phrases      []LabelPhrase  `yaml:"phrases"` // added to the shipped ones
	Chat         ClassifierChat `yaml:"chat"`
}

// LabelPhrase is a phrase that speaks for a label.
type LabelPhrase struct {
	Dimension string  `yaml:"dimension"`
	Label     string  `yaml:"label"`
	Text      string  `yaml:"text"`
	Weight    float64 `yaml:"weight"` // 1 to 5; zero means 2
}

// ClassifierChat is a language model behind an OpenAI-compatible endpoint, which is asked where nothing else knows. It is off unless enabled.
type ClassifierChat struct {
	Enabled  bool                `yaml:"enabled"`
	BaseURL  string              `yaml:"base_url"` // what /chat/completions is appended to
	Model    string              `yaml:"model"`
	APIKey   Secret              `yaml:"api_key"`
	Timeout  Duration            `yaml:"timeout"`
	MaxChars int                 `yaml:"max_chars"` // of subject and text together
	Labels   map[string][]string `yaml:"labels"`    // the answers that are allowed, by dimension
}

func (v *validator) rules() {
	r := &v.cfg.Rules
	if r.Sender != "" {
		if a, err := mail.ParseAddress(r.Sender); err != nil || a.Address != r.Sender {
			v.bad("rules.sender", quote(r.Sender)+" is not a mail address", "Write one of outbox.senders, or an enrolled account.")
		}
		r.Sender = strings.ToLower(r.Sender)
	}
	if r.Target != "" {
		v.ruleTarget("rules.target", r.Target)
	}
	v.ruleRoles()
	v.atLeast("rules.workers", r.Workers, 1)
	if r.Keep <= 0 {
		v.bad("rules.keep", "must be above zero", "Write 180d, for example.")
	}
	taken := map[string]bool{}
	for i := range r.Lists {
		path := fmt.Sprintf("rules.lists[%d]", i)
		v.ruleName(path, r.Lists[i].Name, taken)
		if f := r.Lists[i].File; f != "" {
			if _, err := os.Stat(f); err != nil {
				v.bad(path+".file", "cannot be read: "+err.Error(), "Name a text file with one entry a line.")
			}
		}
	}
	v.ruleTables(r.Tables)
	v.classifier(&r.Classifier)
	for i, rel := range r.Related {
		path := fmt.Sprintf("rules.related[%d]", i)
		if !slices.Contains([]string{"deal", "ticket", "order"}, rel.Name) {
			v.bad(path+".name", quote(rel.Name)+" is not one of the allowed values", "Write deal, ticket or order.")
		}
		if !slices.Contains([]string{"", "id", "address", "company"}, rel.By) {
			v.bad(path+".by", quote(rel.By)+" is not one of the allowed values", "Write id, address or company.")
		}
		v.required(path+".object", rel.Object, "Name the object (module, form, table) of the CRM.")
		v.required(path+".field", rel.Field, "Name the field that has the contact.")
		if rel.Target != "" {
			v.ruleTarget(path+".target", rel.Target)
		}
	}
	taken = map[string]bool{}
	for i, w := range r.Webhooks {
		path := fmt.Sprintf("rules.webhooks[%d]", i)
		v.ruleName(path, w.Name, taken)
		if w.Secret.Reveal() == "" && w.Token.Reveal() == "" {
			v.bad(path+".secret", "is missing", "Write secret (Standard Webhooks) or token, so that nobody else can start rules.")
		}
	}
	taken = map[string]bool{}
	for i, c := range r.Calls {
		path := fmt.Sprintf("rules.calls[%d]", i)
		v.ruleName(path, c.Name, taken)
		v.required(path+".secret", c.Secret.Reveal(), "Write the secret that the other system has too.")
	}
}

func (v *validator) ruleTables(tables []RuleTable) {
	taken := map[string]bool{}
	for i, t := range tables {
		path := fmt.Sprintf("rules.tables[%d]", i)
		v.tableName(path, t.Name, taken)
		switch strings.ToLower(filepath.Ext(t.File)) {
		case ".csv", ".tsv", ".txt", ".xlsx":
		default:
			v.bad(path+".file", quote(filepath.Base(t.File))+" is no table", "Name a file that ends in .csv, .tsv, .txt or .xlsx.")
			continue
		}
		if _, err := os.Stat(t.File); err != nil {
			v.bad(path+".file", "cannot be read: "+err.Error(), "Put the file there, or correct the path.")
		}
	}
}

// tableName checks the name of a table, which may be Chinese.
func (v *validator) tableName(path, name string, taken map[string]bool) {
	if !v.required(path+".name", name, "Give it a name.") {
		return
	}
	if len(name) > 100 || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name {
		v.bad(path+".name", quote(name)+" is not a good name", "Choose a plain name of 100 bytes at most.")
	}
	if taken[name] {
		v.bad(path+".name", quote(name)+" is there twice", "Names must differ.")
	}
	taken[name] = true
}

func (v *validator) classifier(c *Classifier) {
	if !(c.Threshold > 0 && c.Threshold < 1) {
		v.bad("rules.classifier.threshold", "must be above 0 and below 1", "Write 0.5, for example.")
	}
	for i, p := range c.Phrases {
		path := fmt.Sprintf("rules.classifier.phrases[%d]", i)
		v.required(path+".dimension", p.Dimension, "Write intent, urgency, product_line or tag.")
		v.required(path+".label", p.Label, "Name the label that the phrase speaks for.")
		v.required(path+".text", p.Text, "Write the words as they stand in mails.")
	}
	if !c.Chat.Enabled {
		return
	}
	v.required("rules.classifier.chat.base_url", c.Chat.BaseURL, "Write the address of the endpoint, such as https://llm.example.com/v1.")
	v.required("rules.classifier.chat.model", c.Chat.Model, "Name the model.")
	if len(c.Chat.Labels) == 0 {
		v.bad("rules.classifier.chat.labels", "is missing", "Say which answers are allowed, by dimension: intent: [complaint, quote].")
	}
}

func (v *validator) ruleRoles() {
	taken := map[string]bool{}
	for i, r := range v.cfg.Rules.Roles {
		path := fmt.Sprintf("rules.roles[%d]", i)
		v.ruleName(path, r.Name, taken)
		if len(r.Members) == 0 {
			v.bad(path+".members", "is empty", "Name the mailboxes of those who decide.")
		}
		for j, m := range r.Members {
			if _, err := mail.ParseAddress(m); err != nil {
				v.bad(fmt.Sprintf("%s.members[%d]", path, j), quote(m)+" is not a mailbox", "Write wang@example.com, or Wang Fang <wang@example.com>.")
			}
		}
	}
}

func (v *validator) ruleTarget(path, name string) {
	var names []string
	for _, t := range v.cfg.Targets {
		if t.Name == name {
			return
		}
		names = append(names, t.Name)
	}
	v.bad(path, "there is no target "+quote(name), suggest(name, names))
}

// ruleName checks a name that stands in rules and URLs.
func (v *validator) ruleName(path, name string, taken map[string]bool) {
	if !v.required(path+".name", name, "Give it a name.") {
		return
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		v.bad(path+".name", quote(name)+" has other characters than letters, digits, - and _", "Choose a plain name.")
	}
	if taken[name] {
		v.bad(path+".name", quote(name)+" is there twice", "Names must differ.")
	}
	taken[name] = true
}
