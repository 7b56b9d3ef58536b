package administration

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"heliograph/config"
	"heliograph/internal/console/api"
)

var errNoSettings = api.Unavailable("settings_unavailable", "the gateway was started without a configuration file", "Start it with heliograph serve -c FILE.")

// GetSettings implements StrictServerInterface.
func (p *Part) GetSettings(context.Context, GetSettingsRequestObject) (GetSettingsResponseObject, error) {
	if p.o.Settings == nil {
		return nil, errNoSettings
	}
	text, cfg, err := p.o.Settings.read()
	if err != nil {
		return nil, err
	}
	list, err := config.Describe(cfg, p.o.Settings.Path, text)
	if err != nil {
		return nil, err
	}
	out := Settings{File: p.o.Settings.Path, Writable: p.o.Settings.writable(), Items: []Setting{}, Warnings: append([]string{}, cfg.Warnings()...)}
	for _, s := range list {
		out.Items = append(out.Items, Setting{
			Path: s.At, Key: s.Path, Type: SettingType(s.Kind), Element: SettingType(s.Element), Value: s.Value, Default: s.Default, Set: s.Set,
			From: SettingFrom(s.From), Line: s.Line, Enum: s.Enum, Doc: s.Doc, DocZh: s.DocZH, Restart: s.Restart,
		})
	}
	if p.o.Settings.Fixed != nil {
		out.Pending = p.o.Settings.Fixed(cfg)
	}
	return GetSettings200JSONResponse{Body: out, Headers: GetSettings200ResponseHeaders{ETag: etagOf(text)}}, nil
}

// ChangeSettings implements StrictServerInterface.
func (p *Part) ChangeSettings(ctx context.Context, r ChangeSettingsRequestObject) (ChangeSettingsResponseObject, error) {
	if p.o.Settings == nil {
		return nil, errNoSettings
	}
	var changes []config.Change
	var paths []string
	for _, c := range r.Body.Changes {
		op := config.Op(c.Op)
		if c.Op == "set" {
			op = config.OpSet
		}
		changes = append(changes, config.Change{Path: c.Path, Value: c.Value, Op: op})
		paths = append(paths, c.Path)
	}
	api.Note(ctx, "paths", paths)
	done, etag, err := p.o.Settings.change(ctx, r.Params.IfMatch, changes, r.Params.DryRun)
	if err != nil {
		return nil, err
	}
	return ChangeSettings200JSONResponse{Body: done, Headers: ChangeSettings200ResponseHeaders{ETag: etag}}, nil
}

// GetSettingsSchema implements StrictServerInterface.
func (p *Part) GetSettingsSchema(context.Context, GetSettingsSchemaRequestObject) (GetSettingsSchemaResponseObject, error) {
	return GetSettingsSchema200ApplicationSchemaPlusJSONResponse(settingsSchema()), nil
}

// settingsSchema is a JSON Schema of the configuration.
func settingsSchema() map[string]any {
	root := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Heliograph configuration", "type": "object", "properties": map[string]any{}}
	for _, k := range config.Keys() {
		at := root
		steps := strings.Split(k.Path, ".")
		for _, s := range steps[:len(steps)-1] {
			name, list := strings.CutSuffix(s, "[]")
			properties, _ := at["properties"].(map[string]any)
			at, _ = properties[name].(map[string]any)
			if list {
				at, _ = at["items"].(map[string]any)
			}
		}
		properties, _ := at["properties"].(map[string]any)
		properties[steps[len(steps)-1]] = keySchema(k)
	}
	return root
}

func keySchema(k config.Key) map[string]any {
	s := formSchema(k.Kind)
	switch k.Kind {
	case config.KindList:
		s["items"] = formSchema(k.Element)
	case config.KindMap:
		s["additionalProperties"] = formSchema(k.Element)
	}
	if k.Enum != nil {
		s["enum"] = k.Enum
	}
	for name, value := range map[string]string{"description": k.Doc, "x-description-zh": k.DocZH} {
		if value != "" {
			s[name] = value
		}
	}
	if k.Default != nil {
		s["default"] = k.Default
	}
	s["x-restart"] = k.Restart
	return s
}

// formSchema is the schema of one kind of value.
func formSchema(k config.Kind) map[string]any {
	switch k {
	case config.KindInteger, config.KindNumber, config.KindBoolean:
		return map[string]any{"type": string(k)}
	case config.KindList:
		return map[string]any{"type": "array"}
	case config.KindMap:
		return map[string]any{"type": "object"}
	case config.KindSection:
		return map[string]any{"type": "object", "properties": map[string]any{}}
	case config.KindSecret:
		return map[string]any{"type": "string", "writeOnly": true, "x-secret": true}
	case config.KindBytes:
		return map[string]any{"type": []string{"string", "integer"}, "x-format": string(k)}
	case config.KindText:
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "string", "x-format": string(k)}
}

// invalidSettings tells the mistakes of a configuration, each with its place.
func invalidSettings(err error) error {
	var list config.Errors
	if !errors.As(err, &list) {
		return err
	}
	e := api.Fail(http.StatusUnprocessableEntity, "settings_invalid", "the configuration would not be valid with these changes; nothing was changed", "")
	for _, m := range list {
		e.Fields = append(e.Fields, mistake(m))
	}
	return e
}
