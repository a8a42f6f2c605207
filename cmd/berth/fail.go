package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// The exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitInterrupted = 130
)

// usageError is a mistake in the command line itself.
type usageError struct{ error }

// Unwrap returns the mistake without the mark, for errors.As.
func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// notFoundError names a thing that does not exist.
type notFoundError struct{ error }

func notFound(format string, args ...any) error { return notFoundError{fmt.Errorf(format, args...)} }

// interruptedError is Ctrl-C while an operation was waited for.
type interruptedError struct{ operation string }

func (e *interruptedError) Error() string { return "interrupted" }

// errSilent ends a command with exit code 1 when the reason is already printed.
var errSilent = errors.New("failed")

// exitCode reports an error and answers the code that stands for it.
func (c *cli) exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*interruptedError](err); ok {
		c.say("\n%s\n  berth operation wait --id %s\n", c.text("Interrupted. The operation continues; follow it with:"), e.operation)
		return exitInterrupted
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if errors.Is(err, errSilent) {
		return exitFailed
	}
	c.report(err)
	if _, ok := errors.AsType[usageError](err); ok {
		c.say("%s\n", c.text("Add --help to see the options of the command."))
		return exitUsage
	}
	if _, ok := errors.AsType[notFoundError](err); ok || client.IsNotFound(err) {
		return exitNotFound
	}
	return exitFailed
}

// report writes an error: the sentence, then one line per detail.
func (c *cli) report(err error) {
	e, ours := errors.AsType[*berth.Error](err)
	if !ours {
		c.say("%s %s\n", c.paint(red, "ERROR:"), c.text(berth.Plain(err)))
		return
	}
	if e.Code == "" {
		c.say("%s %s\n", c.paint(red, "ERROR:"), c.text(e.Message))
	} else {
		c.say("%s (%s) %s\n", c.paint(red, "ERROR:"), visible(string(e.Code)), c.text(e.Message))
	}
	c.details(e, "  ")
}

func (c *cli) details(of *berth.Error, indent string) {
	for _, d := range of.Details {
		if d.Target == "log" { // of many lines, and of no language of Berth
			c.say("%s%s\n%s\n", indent, c.text("The log ends with:"), visible(indented(d.Message, indent+"  ")))
			continue
		}
		where := d.Target
		if where == "" {
			where = string(d.Code)
		}
		if d.Message == of.Message && d.Target == "" {
			continue // a single detail repeats the whole
		}
		if d.Message != of.Message {
			where += ": " + c.text(d.Message)
		}
		c.say("%s- %s\n", indent, visible(where))
		c.details(&d, indent+"  ")
	}
}

// shownLog is how many lines of a log an error shows.
const shownLog = 20

// indented are the last lines of a text.
func indented(text, indent string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return indent + strings.Join(lines[max(0, len(lines)-shownLog):], "\n"+indent)
}

// warn prints what the user should know and need not act on.
func (c *cli) warn(format string, args ...any) {
	if !c.onlyErrors {
		c.say("%s\n", c.paint(yellow, "WARNING: "+c.text(fmt.Sprintf(format, args...))))
	}
}

// note prints progress.
func (c *cli) note(format string, args ...any) {
	if !c.onlyErrors {
		c.say("%s\n", c.text(fmt.Sprintf(format, args...)))
	}
}

// say writes to standard error. An error of that write has no place to be reported.
func (c *cli) say(format string, args ...any) { _, _ = fmt.Fprintf(c.err, format, args...) }

// The colours, as terminals know them.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
	blue   = "34"
)

// paint colours text for standard error, when that is a terminal and NO_COLOR is not set.
func (c *cli) paint(colour, text string) string {
	if !c.errTerminal || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
