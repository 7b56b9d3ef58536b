package main

import (
	"context"
	"os"

	"heliograph/internal/demo"
)

type demoCmd struct {
	Once     bool   `help:"End when the sample mails are in the CRM. 示例邮件写入后即退出"`
	LogLevel string `default:"error" enum:"debug,info,warn,error" help:"Log level of the gateway."`
}

// Run shows the whole path in one process.
func (c *demoCmd) Run(ctx context.Context) error {
	return demo.Run(ctx, demo.Options{Out: os.Stdout, Once: c.Once, Version: buildVersion(), LogLevel: c.LogLevel})
}
