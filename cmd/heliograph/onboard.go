package main

import (
	"fmt"
	"os"

	"heliograph/internal/console/onboard"
	"heliograph/internal/gateway"
)

type onboardCmd struct {
	DNS  onboardDNSCmd  `cmd:"" name:"dns" help:"Print the DNS records by which mail programs find their settings. 打印邮件程序自动配置所需的 DNS 记录"`
	Show onboardShowCmd `cmd:"" help:"Show the settings for somebody's mail program. 显示某人的邮件程序设置"`
}

// onboarding reads the configuration, and says what is missing in it.
func (f configFlag) onboarding() (*onboard.Book, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	b := onboard.New(gateway.OnboardingOf(cfg))
	for _, p := range b.Problems() {
		fmt.Fprintf(os.Stderr, "warning: %s\n", p)
	}
	return b, nil
}

type onboardDNSCmd struct {
	configFlag
}

// Run prints the records as they stand in a zone file.
func (c *onboardDNSCmd) Run() error {
	b, err := c.onboarding()
	if err != nil {
		return err
	}
	for _, r := range b.Records() {
		fmt.Printf("%s\t; %s\n", r, r.Why)
	}
	return nil
}

type onboardShowCmd struct {
	configFlag
	Address string `arg:"" help:"Mail address. 邮箱地址"`
}

// Run prints servers, password and steps.
func (c *onboardShowCmd) Run() error {
	b, err := c.onboarding()
	if err != nil {
		return err
	}
	g, err := b.Guide(c.Address, false)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Address, err)
	}
	t := &table{head: []string{"PROTOCOL", "SERVER", "PORT", "TLS", "USER"}}
	for _, s := range append(g.Incoming, g.Outgoing...) {
		t.add(s.Protocol, s.Host, fmt.Sprint(s.Port), string(s.TLS), g.Address)
	}
	if err := t.print(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\nPassword · 密码\n  %s\n  %s\n", g.PasswordText.EN, g.PasswordText.ZH)
	if g.ProfileURL != "" {
		fmt.Printf("\nProfile of Apple · 描述文件\n  %s\n", g.ProfileURL)
	}
	return nil
}
