package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/bench"
	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
)

type benchCmd struct {
	Rounds     int           `default:"5" help:"Rounds of each load."`
	Duration   time.Duration `default:"1s" help:"Length of one load in one round."`
	Sessions   int           `default:"1000" help:"Sessions of the loads that only hold them; each needs two descriptors."`
	Calm       time.Duration `default:"10s" help:"How long their memory must stay the same before it is taken."`
	Quick      bool          `help:"Two rounds of 200 ms and 50 sessions: does it all work? The figures mean little."`
	Only       []string      `help:"Only these loads and paths, for example smtp or fetch,gateway; splice is always there."`
	Mirror     bool          `help:"The gateway also mirrors into the built-in CRM."`
	Dir        string        `type:"existingdir" help:"Where to put journals and queues; its disk is part of what is measured. Default: the folder for temporary files."`
	CPUProfile string        `name:"cpuprofile" type:"path" help:"Write CPU profiles of the gateways to FILE, load and path in its name." placeholder:"FILE"`
	JSON       bool          `help:"Print the report as JSON."`
}

// Run measures and prints. Slow is no error; a part that failed or a message that was
// lost is.
func (c *benchCmd) Run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := bench.Options{
		Program: []string{self, "bench-part"}, Dir: c.Dir, Rounds: c.Rounds, Duration: c.Duration,
		Only: c.Only, Mirror: c.Mirror, Sessions: c.Sessions, Calm: c.Calm, CPUProfile: c.CPUProfile,
	}
	if c.Quick {
		o.Rounds, o.Duration, o.Sessions, o.Calm = 2, 200*time.Millisecond, 50, time.Second
	}
	if !c.JSON {
		o.Begin = func(r bench.Report) error { return r.WriteHead(os.Stdout) }
		o.Progress = func(l bench.LoadReport) error { return l.Write(os.Stdout) }
	}
	rep, err := bench.Run(ctx, o)
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		err = errors.Join(err, enc.Encode(rep))
	}
	return err
}

type benchPartCmd struct {
	Spec string `arg:""`
}

// Run is one process of a measurement: it ends with its standard input.
func (c *benchPartCmd) Run(ctx context.Context) error {
	return bench.RunPart(ctx, c.Spec, os.Stdin, os.Stdout, startBenchGateway)
}

// benchGateway is the real gateway under measurement.
type benchGateway struct{ *gateway.Gateway }

func startBenchGateway(ctx context.Context, s bench.GatewaySpec) (bench.Gateway, error) {
	type object = map[string]any
	sync, targets := config.SyncBackground, []object{}
	if s.Durable {
		sync = config.SyncAlways
	}
	if s.Mirror {
		targets = append(targets, object{"name": "crm", "type": "builtin"})
	}
	protocol, mode := "smtp", config.TLSNone
	if s.IMAP {
		protocol = "imap"
	}
	if s.TLSFiles {
		mode = config.TLSImplicit
	}
	settings := object{ // which is YAML as well
		"data_dir":  filepath.Join(s.Dir, "data"),
		"upstreams": []object{{"name": "sink", "default": true, protocol: object{"address": s.Upstream, "tls": config.TLSNone}}},
		"listeners": []object{{"protocol": protocol, "address": "127.0.0.1:0", "tls": mode, "allow_plaintext_auth": true}},
		"targets":   targets,
		"journal":   object{"sync": sync},
		"capture":   object{"policy": config.CaptureSeen},
		"limits":    object{"connections": 0, "connections_per_ip": 0},
		"console":   object{"address": "127.0.0.1:0"},
		"log":       object{"level": "warn"}, // a line for each message would measure the reader of the log
	}
	if s.TLSFiles {
		settings["tls"] = object{"cert_file": filepath.Join(s.Dir, "cert.pem"), "key_file": filepath.Join(s.Dir, "key.pem")}
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(filepath.Join(s.Dir, "config.yaml"), text, catalog.Validate)
	if err != nil {
		return nil, err
	}
	gateway.Tune() // as serve does
	g, err := gateway.New(ctx, cfg, gateway.Options{Version: buildVersion(), Logger: gateway.NewLogger(cfg.Log, os.Stderr)})
	if err != nil {
		return nil, err
	}
	if err := g.Start(ctx); err != nil {
		return nil, errors.Join(err, g.Stop(ctx))
	}
	return benchGateway{g}, nil
}

// Addr is where the one listener is.
func (g benchGateway) Addr() string { return g.Gateway.Addr(0).String() }

// Checksum reads all messages that the journal has.
func (g benchGateway) Checksum(ctx context.Context) (string, error) {
	var sum bench.Digest
	f := journal.Filter{State: journal.StateConfirmed, Limit: 1000}
	for {
		entries, err := g.Journal().Entries(ctx, f)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			body, err := g.Journal().Body(ctx, e)
			if err != nil {
				return "", err
			}
			if err := errors.Join(sum.Add(body), body.Close()); err != nil {
				return "", fmt.Errorf("body of entry %s: %w", e.ID, err)
			}
			f.Before = e.ID
		}
		if len(entries) < f.Limit {
			return sum.String(), nil
		}
	}
}

// Status counts what the index holds as accepted and the jobs that are not done.
func (g benchGateway) Status(ctx context.Context) (bench.Status, error) {
	var s bench.Status
	js, err := g.Journal().Stats(ctx)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	s.Messages = js.Entries[journal.StateConfirmed]
	s.Pending = js.Entries[journal.StateSealed]
	qs, err := g.Queue().Stats(ctx)
	if err != nil {
		return s, fmt.Errorf("queue: %w", err)
	}
	for _, q := range qs {
		switch q.State {
		case queue.StateCompleted, queue.StateDiscarded, queue.StateCancelled:
		default:
			s.Pending += int64(q.Count)
		}
	}
	return s, nil
}
