// Command heliograph is the gateway and its tools.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build; without that it is the module's.
var version string

// cli is the command line. Each field is a subcommand with a file of its own.
type cli struct {
	Serve     serveCmd         `cmd:"" help:"Run the gateway. 运行网关"`
	Check     checkCmd         `cmd:"" help:"Check the configuration, and on request everything it names. 检查配置"`
	Demo      demoCmd          `cmd:"" help:"Try the gateway with a sandbox mail provider and the built-in CRM; needs nothing else. 演示"`
	Bench     benchCmd         `cmd:"" help:"Measure the gateway on this machine, against its references. 性能测试"`
	BenchPart benchPartCmd     `cmd:"" hidden:"" help:"Run one process of a measurement."`
	CRM       crmCmd           `cmd:"" name:"crm" help:"Work with the built-in CRM. 内置 CRM"`
	Contacts  contactsCmd      `cmd:"" help:"Look after the contacts of all CRMs: copy, duplicates, conflicts. 联系人同步与查重"`
	Ledger    ledgerCmd        `cmd:"" help:"Tell what became of a message, and why. 邮件去向"`
	Rule      ruleCmd          `cmd:"" help:"Work with rules: what is to happen by itself when mail comes or a record changes. 规则与自动邮件"`
	Withdraw  withdrawCmd      `cmd:"" help:"Take mail back from CRMs, and keep it away. 撤回已写入 CRM 的邮件"`
	Review    reviewCmd        `cmd:"" help:"Decide on people whom the CRM does not know. 陌生往来人审核"`
	Approval  approvalCmd      `cmd:"" help:"Decide what rules ask people. 审批"`
	Scope     scopeCmd         `cmd:"" help:"Show and change what may leave: rules of privacy, employees' choices. 隐私范围"`
	Classify  classifyCmd      `cmd:"" help:"Say what mails are about, correct it, and see how good the suggestions are. 邮件分类"`
	Queue     queueCmd         `cmd:"" help:"Look after jobs that wait or failed. 任务队列"`
	Notify    notifyCmd        `cmd:"" help:"Try the channels by which people are told of alarms. 通知渠道"`
	Backfill  backfillCmd      `cmd:"" help:"Fetch mail that was there before the gateway, or passed it by. 补录历史邮件"`
	Reconcile reconcileCmd     `cmd:"" help:"Compare mailboxes with the ledger, and close gaps. 核对邮箱与账本"`
	Parse     parseCmd         `cmd:"" help:"Show how mail files are understood: text, people, attachments. 解析邮件文件"`
	Watch     watchCmd         `cmd:"" help:"Look after mailboxes that the gateway reads by itself. 监看邮箱"`
	Account   accountCmd       `cmd:"" help:"Give the gateway access to CRMs and mail accounts, and take it back. 授权管理"`
	Person    personCmd        `cmd:"" help:"Say who may sign in at the console, and let somebody in again. 人员与登录"`
	Audit     auditCmd         `cmd:"" help:"Show and verify who saw or changed what. 审计日志"`
	Onboard   onboardCmd       `cmd:"" help:"Settings of mail programs: DNS records, and what to type. 邮件程序设置"`
	Keys      keysCmd          `cmd:"" help:"Show where the master key is, which must be backed up. 主密钥"`
	Example   exampleCmd       `cmd:"" help:"Print an example of the configuration with every key. 打印配置示例"`
	Version   kong.VersionFlag `help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c,
		kong.Name("heliograph"),
		kong.Description("A mail gateway that mirrors each message into the CRM once.\n邮件网关：邮件原样通过，每封邮件只写入 CRM 一次。"),
		kong.UsageOnError(),
		kong.Vars{"version": buildVersion(), "config": "/etc/heliograph/config.yaml"},
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "heliograph: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "unknown"
}
