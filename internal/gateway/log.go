package gateway

import (
	"io"
	"log/slog"

	"heliograph/config"
)

// NewLogger returns a logger as the configuration asks for. Format ecs uses the field
// names of the Elastic Common Schema, so that ELK needs no mapping.
func NewLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o))
	case "ecs":
		o.ReplaceAttr = ecs
		return slog.New(slog.NewJSONHandler(w, o)).With("ecs.version", "8.11", "service.name", "heliograph")
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// ecsNames are the fields that the Elastic Common Schema has a name for.
var ecsNames = map[string]string{
	slog.TimeKey: "@timestamp", slog.LevelKey: "log.level", slog.MessageKey: "message",
	"err": "error.message", "client": "client.ip", "account": "user.name", "session": "trace.id",
}

func ecs(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch name, ok := ecsNames[a.Key]; {
	case ok:
		a.Key = name
	case a.Key != "ecs.version" && a.Key != "service.name":
		a.Key = "heliograph." + a.Key
	}
	return a
}
