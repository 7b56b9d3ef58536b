package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteHead says under which conditions the figures that follow were taken.
func (r Report) WriteHead(w io.Writer) error {
	disk := fmt.Sprintf("one write of 5 KB and its sync take %s", r.SyncTime.Round(time.Microsecond))
	if r.InMemory {
		disk += " (WARNING: the folder is in memory, durable figures mean nothing; choose another with --dir)"
	}
	_, err := fmt.Fprintf(w, "%d processors, %s; %d interleaved rounds of %s; %s\n", r.CPUs, r.Go, r.Rounds, r.Duration, disk)
	return err
}

// Write prints the load as a table and what is to be said about it.
func (r LoadReport) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", r.Name, r.title())
	head, row := r.columns()
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, strings.Join(head, "\t")+"\t") // into memory, as all here
	for _, p := range r.Paths {
		if p.Absent == "" && (p.Messages > 0 || p.Idle != nil) {
			_, _ = fmt.Fprintln(t, strings.Join(row(p), "\t")+"\t")
		}
	}
	_ = t.Flush()
	for _, p := range r.Paths {
		for _, note := range p.notes() {
			fmt.Fprintf(&b, "  %s: %s\n", p.Path, note)
		}
	}
	if r.Error != "" {
		fmt.Fprintf(&b, "  FAILED: %s\n", r.Error)
	}
	if r.Foreign > 0.1 {
		fmt.Fprintf(&b, "  other programs took up to %.0f %% of the machine: repeat this on a quiet one\n", 100*r.Foreign)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r LoadReport) title() string {
	if r.Protocol == smtp {
		return fmt.Sprintf("%s, %d %s", size(r.Size), r.Clients, plural(r.Clients, "client"))
	}
	what := map[Kind]string{
		kindFetch:    fmt.Sprintf("IMAP, %d messages a FETCH, all known", fetchAtOnce),
		kindFresh:    fmt.Sprintf("IMAP, %d messages a FETCH, none ever seen", fetchAtOnce),
		kindCommands: "IMAP, FETCH of flags and UID FETCH of envelopes",
		kindMix:      fmt.Sprintf("IMAP, %d small commands, %d messages, an APPEND of %s, IDLE", mixCommands, mixFetch, size(r.Size)),
		kindLogin:    "IMAP, connect, LOGIN, LOGOUT",
		kindIdle:     "IMAP, sessions in IDLE",
	}[r.Kind]
	if r.TLS {
		what += ", TLS to the client"
	}
	return fmt.Sprintf("%s, %d %s", what, r.Clients, plural(r.Clients, "client"))
}

// columns are the heads of the table and what makes a row of a path.
func (r LoadReport) columns() (head []string, row func(PathReport) []string) {
	switch {
	case r.Protocol == smtp:
		return strings.Split("path,msg/s,MB/s,x splice,floor,aim,x postfix,floor,p50 ms,p99 ms,CPU s/1000,peak MiB,own MiB,behind s", ","), PathReport.smtpRow
	case r.Kind == kindIdle:
		return strings.Split("path,sessions,KiB each,% of a CPU,descriptors each,opened/s,peak MiB", ","), PathReport.idleRow
	}
	return strings.Split("path,"+r.Unit+"/s,MB/s,x splice,floor,aim,p50 ms,p99 ms,CPU s/1000,CPU s/GB,peak MiB,own MiB,behind s", ","), PathReport.imapRow
}

func (p PathReport) smtpRow() []string {
	splice, relay := p.goal(Splice), p.goal(Postfix)
	cpu, peak, own := p.used()
	return []string{
		string(p.Path), number(p.Messages, 0), number(p.Bytes/1e6, 1),
		p.vsSplice(), number(splice.Floor, 2), number(splice.Aim, 2), number(p.VsPostfix, 1), number(relay.Floor, 0),
		number(float64(p.P50)/1e6, 2), number(float64(p.P99)/1e6, 2), cpu, peak, own, number(p.Settle.Seconds(), 2),
	}
}

func (p PathReport) imapRow() []string {
	splice := p.goal(Splice)
	cpu, peak, own := p.used()
	perGB := "-"
	if p.PeakMemory > 0 && p.Bytes > 1e6 { // less is no load of bytes
		perGB = number(p.CPUPerGB.Seconds(), 2)
	}
	return []string{
		string(p.Path), number(p.Messages, 0), number(p.Bytes/1e6, 1),
		p.vsSplice(), number(splice.Floor, 2), number(splice.Aim, 2),
		number(float64(p.P50)/1e6, 3), number(float64(p.P99)/1e6, 2), cpu, perGB, peak, own, number(p.Settle.Seconds(), 2),
	}
}

func (p PathReport) idleRow() []string {
	_, peak, _ := p.used()
	return []string{
		string(p.Path), strconv.Itoa(p.Idle.Sessions), number(p.Idle.kib(), 1), number(100*p.Idle.CPU, 1),
		number(p.Idle.Descriptors, 1), number(p.Idle.Opened, 0), peak,
	}
}

func (r *IdleReport) kib() float64 { return float64(r.Memory) / (1 << 10) }

func (p PathReport) vsSplice() string {
	if p.Path == Splice {
		return "1.00"
	}
	return number(p.VsSplice, 2)
}

func (p PathReport) used() (cpu, peak, own string) {
	if p.PeakMemory == 0 { // no proxy
		return "-", "-", "-"
	}
	return number(p.CPU.Seconds(), 3), number(float64(p.PeakMemory)/(1<<20), 0), number(float64(p.OwnMemory)/(1<<20), 0)
}

// goal is that of the path against another; all zero when there is none.
func (p PathReport) goal(versus Path) Goal {
	for _, g := range p.Goals {
		if g.Versus == versus {
			return g
		}
	}
	return Goal{}
}

func (p PathReport) ratio(versus Path) float64 {
	if versus == Postfix {
		return p.VsPostfix
	}
	return p.VsSplice
}

// notes are the sentences below the table.
func (p PathReport) notes() (all []string) {
	if p.Absent != "" {
		return []string{"not measured: " + p.Absent}
	}
	if p.Error != "" {
		all = append(all, "FAILED: "+strings.ReplaceAll(p.Error, "\n", "\n    "))
	}
	for _, g := range p.Goals {
		if v := p.ratio(g.Versus); v > 0 {
			all = append(all, fmt.Sprintf("%s x %s: %s", number(v, 2), g.Versus, verdict(v >= g.Floor, g.Aim == 0 || v >= g.Aim)))
		}
	}
	for _, l := range p.Limits {
		if v := p.uses(l.What); v > 0 {
			all = append(all, fmt.Sprintf("%s %s: %s (floor %s, aim %s)",
				number(v, 2), l.What, verdict(v <= l.Floor, l.Aim == 0 || v <= l.Aim), number(l.Floor, 2), number(l.Aim, 2)))
		}
	}
	if p.Path.isGateway() && p.OwnMemory > 0 && p.Idle == nil {
		all = append(all, fmt.Sprintf("%d MiB of its own at the peak: %s (floor %d, aim %d)",
			p.OwnMemory>>20, verdict(p.OwnMemory <= memoryFloor, p.OwnMemory <= memoryAim), memoryFloor>>20, memoryAim>>20))
	}
	if p.Path.isGateway() && p.Error == "" && p.Counts.Sent > 0 {
		all = append(all, "messages: "+p.Counts.String())
	}
	return all
}

// uses is what a Limit is about; 0 if it was not measured.
func (p PathReport) uses(what string) float64 {
	switch {
	case what == cpuPerGB:
		return p.CPUPerGB.Seconds()
	case what == kibPerSession && p.Idle != nil:
		return p.Idle.kib()
	}
	return 0
}

func verdict(floor, aim bool) string {
	switch {
	case !floor:
		return "BELOW THE FLOOR"
	case !aim:
		return "above the floor, short of the aim"
	}
	return "reached"
}

// number leaves out what is not known.
func number(v float64, digits int) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func size(n int) string {
	if n >= 1e6 {
		return fmt.Sprintf("%d MB", n/1_000_000)
	}
	return fmt.Sprintf("%d KB", n/1000)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
