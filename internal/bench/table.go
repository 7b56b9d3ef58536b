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
	fmt.Fprintf(&b, "\n%s: %s, %d %s\n", r.Name, size(r.Size), r.Clients, plural(r.Clients, "client"))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "path\tmsg/s\tMB/s\tx splice\tfloor\taim\tx postfix\tfloor\tp50 ms\tp99 ms\tCPU s/1000\tpeak MiB\tbehind s\t")
	for _, p := range r.Paths {
		if p.Absent == "" && p.Messages > 0 {
			p.row(t)
		}
	}
	_ = t.Flush() // into memory
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

func (p PathReport) row(w io.Writer) {
	splice, relay := p.goal(Splice), p.goal(Postfix)
	vs := number(p.VsSplice, 2)
	if p.Path == Splice {
		vs = "1.00"
	}
	cpu, peak := "-", "-"
	if p.PeakMemory > 0 {
		cpu, peak = number(p.CPU.Seconds(), 3), number(float64(p.PeakMemory)/(1<<20), 0)
	}
	cells := []string{
		string(p.Path), number(p.Messages, 0), number(p.Bytes/1e6, 1),
		vs, number(splice.Floor, 2), number(splice.Aim, 2), number(p.VsPostfix, 1), number(relay.Floor, 0),
		number(float64(p.P50)/1e6, 2), number(float64(p.P99)/1e6, 2), cpu, peak, number(p.Settle.Seconds(), 2),
	}
	_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") // into memory
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
	if p.Path.isGateway() && p.PeakMemory > 0 {
		all = append(all, fmt.Sprintf("peak %d MiB: %s (floor %d, aim %d)",
			p.PeakMemory>>20, verdict(p.PeakMemory <= memoryFloor, p.PeakMemory <= memoryAim), memoryFloor>>20, memoryAim>>20))
	}
	if p.Path.isGateway() && p.Error == "" {
		all = append(all, "messages: "+p.Counts.String())
	}
	return all
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
