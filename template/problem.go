package template

import (
	"errors"
	"fmt"
	"strings"

	"berth.dev/berth"
)

// CodeInvalidTemplate is ARM's error code for a template that is not valid.
const CodeInvalidTemplate berth.Code = "InvalidTemplate"

// located is an error with the JSON path at which it occurred.
type located struct {
	path string
	err  error
}

func (l located) Error() string { return l.err.Error() }
func (l located) Unwrap() error { return l.err }

// under puts a key or an element in front of the path of an error.
func under(key string, err error) error {
	if err == nil {
		return nil
	}
	if l, ok := errors.AsType[located](err); ok {
		sep := "."
		if strings.HasPrefix(l.path, "[") {
			sep = ""
		}
		return located{key + sep + l.path, l.err}
	}
	return located{key, err}
}

// problems gathers every mistake, so that one error reports all of them.
type problems struct {
	all  []berth.Error
	more int // that are not reported
	// limited is true after a limit was exceeded: every later failure is only a consequence.
	limited bool
}

func (p *problems) add(path string, err error) {
	if err == nil {
		return
	}
	if l, ok := errors.AsType[located](under(path, err)); ok {
		path, err = l.path, l.err
	}
	path = short(path)
	if len(p.all) == maxProblems || overLimit(err) && p.limited {
		p.more++
		return
	}
	p.limited = p.limited || overLimit(err)
	p.all = append(p.all, berth.Error{Code: CodeInvalidTemplate, Target: path, Message: short(fmt.Sprintf("%s: %v.", path, err))})
}

// short bounds the length of texts from a template in an error.
func short(s string) string { return fmt.Sprintf("%.1000s", s) }

// error is nil when nothing is wrong, and else one error with a detail for each.
func (p *problems) error() error {
	switch len(p.all) {
	case 0:
		return nil
	case 1:
		e := p.all[0]
		e.Message = "Deployment template validation failed: " + e.Message
		e.Details = []berth.Error{p.all[0]}
		return &e
	}
	message := fmt.Sprintf("Deployment template validation failed in %d places.", len(p.all)+p.more)
	return &berth.Error{Code: CodeInvalidTemplate, Message: message, Details: p.all}
}
