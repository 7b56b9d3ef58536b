package gateway

import (
	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/hooks/rules"
)

// RecordNames is what people call what the targets of a configuration hold, as far as we know it: that of the built-in CRM.
func RecordNames(cfg *config.Config) *rules.RecordNames {
	out := &rules.RecordNames{Targets: map[string]rules.Word{}, Objects: map[rules.RecordType]rules.RecordName{}, Related: map[string]rules.RecordType{}}
	for _, t := range cfg.Targets {
		if t.Type != "builtin" {
			continue
		}
		if t.Name == t.Type { // nobody gave it a name
			out.Targets[t.Name] = rules.Word{Value: t.Name, Zh: "内置 CRM", En: "the built-in CRM"}
		}
		for _, o := range builtin.ObjectNames() {
			name := rules.RecordName{Word: wordOf(o.ValueName), One: o.One}
			for _, f := range o.Fields {
				field := rules.FieldName{Word: wordOf(f.ValueName)}
				for _, v := range f.Values {
					field.Values = append(field.Values, wordOf(v))
				}
				name.Fields = append(name.Fields, field)
			}
			out.Objects[rules.RecordType{Target: t.Name, Object: o.Name}] = name
		}
	}
	for _, r := range relations(cfg) {
		target := r.Target
		if target == "" {
			target = ruleTarget(cfg)
		}
		out.Related[r.Name] = rules.RecordType{Target: target, Object: r.Object}
	}
	return out
}

func wordOf(v builtin.ValueName) rules.Word { return rules.Word{Value: v.Name, Zh: v.Zh, En: v.En} }
