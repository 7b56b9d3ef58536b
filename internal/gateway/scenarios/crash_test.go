package scenarios_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
)

// childConfig and childClock make the test binary a gateway of its own that can be killed: the configuration, and how far its clock is from
// the machine's.
const (
	childConfig = "HELIOGRAPH_TEST_SCENARIO"
	childClock  = "HELIOGRAPH_TEST_SCENARIO_CLOCK"
)

// serve runs a gateway until its parent is gone.
func serve(file string) error {
	cfg, err := config.Load(file, catalog.Validate)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(os.Getenv(childClock), 10, 64)
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Now().Add(time.Duration(offset)) }
	g, err := gateway.New(context.Background(), cfg, gateway.Options{Version: "test", Now: now})
	if err != nil {
		return err
	}
	if err := g.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(g.Addr(0), g.Addr(1), g.ConsoleAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return g.Stop(context.Background())
}

// child starts a gateway in a process of its own, and returns what kills it.
func (o *office) child() (kill func()) {
	o.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childConfig+"="+o.file, childClock+"="+strconv.FormatInt(o.clock.offset.Load(), 10), "GORACE=halt_on_error=1")
	cmd.Stderr = o.t.Output()
	leash, err := cmd.StdinPipe()
	if err != nil {
		o.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = leash.Close()
		_ = cmd.Wait() // killed
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		kill()
		o.t.Fatal(err)
	}
	copy(o.addrs[:], strings.Fields(line))
	return kill
}

// crashes kills the gateway again and again, at the moments when something has just come out of it and at others, while a complaint (scenario 2) and
// an approval (scenario 3) are under way. Each mail, ticket, post and change of a record is there once.
func crashes(o *office) {
	o.open()
	o.publish("02-complaint.yaml", "03-order-approval.yaml")
	if _, err := o.crm.AddContact(o.t.Context(), builtin.Contact{Name: "陈静", Addresses: []string{o.customer("chen")}}); err != nil {
		o.t.Fatal(err)
	}
	o.stop()
	order := o.erp.put("orders", "", map[string]any{"number": "SO-1", "customer": "华夏机械", "customer_level": "VIP", "total": 128000, "owner": o.own("li.wei")})
	var out atomic.Int64 // what came out
	o.erp.told, o.chat.told = func() { out.Add(1) }, func() { out.Add(1) }
	const rounds = 14
	decided := map[string]bool{}
	for round := range rounds {
		kill := o.child()
		if round == 1 {
			o.come("陈静|"+o.customer("chen"), "service", "投诉：主轴噪音", "noise@customer", "主轴噪音很大", "")
		}
		if round == 3 { // what a program was given just before the gateway died is seen when it opens the mailbox again
			o.read("service", "noise@customer")
		}
		for _, who := range []string{o.own("cfo"), o.own("vp")} {
			if links := o.links(who); len(links) > 0 && !decided[who] && round > 4 {
				o.decide(links[0], "approve", "")
				decided[who] = true
				break
			}
		}
		before, mails := out.Load(), o.delivered()
		limit := time.After(time.Duration(rand.IntN(900)) * time.Millisecond)
		if round%2 == 0 {
			limit = time.After(2 * time.Second)
		}
	wait:
		for {
			select {
			case <-limit:
				break wait
			case <-time.After(2 * time.Millisecond):
				if round%2 == 0 && (out.Load() > before || o.delivered() > mails) {
					break wait
				}
			}
		}
		kill()
		o.clock.offset.Add(int64(2 * time.Minute)) // leases end, CRMs are asked again
	}
	o.start()
	o.read("service", "noise@customer")
	for _, who := range []string{o.own("cfo"), o.own("vp")} {
		if !decided[who] {
			o.decide(o.asked(who, "SO-1"), "approve", "")
		}
	}
	o.wantRuns("complaint-ticket", "done")
	o.eventually("the approval ends", func() error { return equal(strings.Join(o.runs("order-approval"), "|"), "done") })
	o.settle()
	o.after(time.Hour)
	o.wantMail(o.customer("chen"), "回复：投诉：主轴噪音")
	o.wantMail(o.own("li.wei"), "订单 SO-1 已批准")
	o.once(map[string]int{o.customer("chen"): 1, o.own("li.wei"): 1})
	for _, who := range []string{o.own("cfo"), o.own("vp")} {
		o.asksOnce(who)
	}
	tickets, err := o.crm.Tickets(o.t.Context(), builtin.TicketFilter{})
	if err != nil || len(tickets.Items) != 1 || tickets.Items[0].Assignee != o.own("machines") {
		o.t.Errorf("tickets are %+v, %v; want one", tickets.Items, err)
	}
	if posts := o.chat.list(); len(posts) != 1 {
		o.t.Errorf("the chat has %d posts, want one", len(posts))
	}
	if got, _ := o.erp.state("orders", order, "approval").(string); got != "已批准" {
		o.t.Errorf("the order is %q", got)
	}
}

// delivered counts the mails of those who get some here.
func (o *office) delivered() (n int) {
	for _, who := range []string{o.customer("chen"), o.own("cfo"), o.own("vp"), o.own("li.wei")} {
		n += len(o.post.Deliveries(who))
	}
	return n
}

// links are those in the mails of somebody who is asked.
func (o *office) links(who string) (out []string) {
	for _, l := range o.inbox(who) {
		if found := approveLink.FindStringSubmatch(l.Text); found != nil {
			out = append(out, found[1])
		}
	}
	return out
}

// asksOnce wants the questions that a colleague got to be one and the same mail. Who dies between the mail server's verdict and noting it sends
// it again: that is what colleagues get (at least once), as customers do not.
func (o *office) asksOnce(who string) {
	o.t.Helper()
	got := o.inbox(who)
	if len(got) == 0 {
		o.t.Errorf("%s was not asked", who)
	}
	for _, l := range got {
		if l.MessageID != got[0].MessageID {
			o.t.Errorf("%s was asked twice: %s and %s", who, got[0].MessageID, l.MessageID)
		}
	}
}
