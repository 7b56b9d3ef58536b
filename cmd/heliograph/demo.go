package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"heliograph/internal/demo"
)

type demoCmd struct {
	Once     bool   `help:"End when the sample mails are in the CRM. 示例邮件写入后即退出"`
	JSON     bool   `name:"json" help:"Print nothing but one line of JSON, with addresses and passwords, once all is there; for scripts. 就绪后只输出一行 JSON"`
	LogLevel string `default:"error" enum:"debug,info,warn,error" help:"Log level of the gateway."`
}

// Run shows the whole path in one process.
func (c *demoCmd) Run(ctx context.Context) error {
	o := demo.Options{Out: os.Stdout, Once: c.Once, Version: buildVersion(), LogLevel: c.LogLevel}
	if c.JSON {
		o.Out = io.Discard
		o.Ready = func(r demo.Ready) { _ = json.NewEncoder(os.Stdout).Encode(r) } // who closed it does not want to know
	}
	return demo.Run(ctx, o)
}
