package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"berth.dev/berth/client"
)

// wait follows an operation to its end. doing names the work ("Creating compute myaks").
func (c *cli) wait(ctx context.Context, cl *client.Client, op *client.Operation, doing string) error {
	if op == nil {
		return nil
	}
	p := c.progress(doing)
	err := cl.Wait(ctx, op, func(o *client.Operation) { p.message(o.Message) })
	p.stop()
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return &interruptedError{op.ID}
	}
	for _, n := range op.Notes {
		c.warn("%s", n)
	}
	return err
}

// running prints an operation that nobody waits for, and how to follow it. A change that was done at once has none.
func (c *cli) running(ctx context.Context, cl *client.Client, op *client.Operation) error {
	if op == nil {
		return nil
	}
	if err := cl.Operation(ctx, op); err != nil {
		return err
	}
	c.note("The operation runs. To wait for its end, run:\n  berth operation wait --id %s", op.ID)
	return c.emit(op.Raw, operationTable)
}

// progress shows that something is under way: a spinner on a terminal, else a line for each new message.
type progress struct {
	c       *cli
	doing   string
	last    string
	news    chan string
	stopped chan struct{}
}

func (c *cli) progress(doing string) *progress {
	p := &progress{c: c, doing: c.text(doing)}
	if c.errTerminal && !c.onlyErrors && !c.debug {
		p.news, p.stopped = make(chan string, 1), make(chan struct{})
		go p.spin(time.Now())
	}
	return p
}

// message shows a new message.
func (p *progress) message(text string) {
	if text == "" || text == p.last {
		return
	}
	p.last = text
	text = p.c.text(text)
	if p.news != nil {
		p.news <- text
		return
	}
	p.c.note("%s: %s", p.doing, text)
}

// stop ends the spinner and wipes its line.
func (p *progress) stop() {
	if p.news != nil {
		close(p.news)
		<-p.stopped
	}
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func (p *progress) spin(start time.Time) {
	defer close(p.stopped)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	text := ""
	for i := 0; ; i++ {
		select {
		case news, open := <-p.news:
			if !open {
				p.c.say("\r\x1b[K")
				return
			}
			text = ": " + news
		case <-tick.C:
		}
		elapsed := fmt.Sprintf(" (%.1fs)", time.Since(start).Seconds())
		p.c.say("\r\x1b[K%c %s%s", spinner[i%len(spinner)], p.c.fitting(p.doing+text, len(elapsed)+3), elapsed)
	}
}

// fitting cuts text to the width of the terminal, less what else stands in the line: a line that wraps cannot be wiped.
func (c *cli) fitting(text string, less int) string {
	width := 80
	if f, ok := c.err.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = w
		}
	}
	if runes := []rune(text); len(runes) > max(width-less, 10) {
		return string(runes[:max(width-less, 10)-1]) + "…"
	}
	return text
}
