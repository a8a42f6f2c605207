package template

import (
	"fmt"
	"strconv"
	"strings"
)

// The grammar of an expression, which a template writes as a string in brackets:
//
//	expression = primary { "." name | ".?" name | "[" expression "]" }
//	primary    = string | number | name "(" [ expression { "," expression } ] ")" | name "." name "(" … ")"
//
// Strings stand in single quotes; a doubled quote is one.

const (
	maxExpression = 24576 // ARM's own bound on the length of an expression
	maxNesting    = 64    // of calls in calls
)

// node is a part of an expression.
type node interface {
	eval(e *env) (any, error)
}

type literal struct{ value any }

type call struct {
	name string // lower case; with its namespace for functions that a template defines
	args []node
}

// member is a property or an element of something.
type member struct {
	of, key  node
	optional bool // ".?": null when there is no such property
}

// parser reads one expression.
type parser struct {
	text  string
	at    int
	depth int
}

// parse reads what stands between the brackets.
func parse(text string) (node, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("an expression has at most %d characters", maxExpression)
	}
	p := &parser{text: text}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.at < len(p.text) {
		return nil, fmt.Errorf("the expression goes on at position %d, where it must end", p.at+1)
	}
	return n, nil
}

func (p *parser) skip() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take consumes a word if it is next.
func (p *parser) take(word string) bool {
	if p.skip(); strings.HasPrefix(p.text[p.at:], word) {
		p.at += len(word)
		return true
	}
	return false
}

func (p *parser) expected(what string) error {
	return fmt.Errorf("%s is expected at position %d of the expression", what, p.at+1)
}

func (p *parser) expression() (node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("the expression is nested more than %d deep", maxNesting)
	}
	defer func() { p.depth-- }()
	n, err := p.primary()
	for err == nil {
		switch {
		case p.take(".?"):
			n, err = p.property(n, true)
		case p.take("."):
			n, err = p.property(n, false)
		case p.take("["):
			n, err = p.element(n)
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) property(of node, optional bool) (node, error) {
	name := p.name()
	if name == "" {
		return nil, p.expected("the name of a property")
	}
	return member{of: of, key: literal{name}, optional: optional}, nil
}

func (p *parser) element(of node) (node, error) {
	key, err := p.expression()
	if err == nil && !p.take("]") {
		err = p.expected("']'")
	}
	return member{of: of, key: key}, err
}

func (p *parser) primary() (node, error) {
	p.skip()
	if p.at >= len(p.text) {
		return nil, p.expected("a value")
	}
	switch c := p.text[p.at]; {
	case c == '\'':
		return p.quoted()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	name := p.name()
	if name == "" {
		return nil, p.expected("a value or a function")
	}
	if p.take(".") { // a function that the template defines
		name += "." + p.name()
	}
	if !p.take("(") {
		return nil, fmt.Errorf("'%.60s' is not followed by '('; write strings in single quotes, and '(' after the name of a function", name)
	}
	args, err := p.arguments()
	return call{name: strings.ToLower(name), args: args}, err
}

func (p *parser) arguments() (args []node, err error) {
	if p.take(")") {
		return nil, nil
	}
	for {
		arg, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if p.take(")") {
			return args, nil
		}
		if !p.take(",") {
			return nil, p.expected("',' or ')'")
		}
	}
}

func (p *parser) name() string {
	p.skip()
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '_' && (c < '0' || c > '9' || p.at == start) && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) number() (node, error) {
	start := p.at
	for p.at++; p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9'; p.at++ {
	}
	n, err := strconv.ParseInt(p.text[start:p.at], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("'%.30s' is not a whole number", p.text[start:p.at])
	}
	return literal{n}, nil
}

func (p *parser) quoted() (node, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if p.text[p.at] != '\'' {
			b.WriteByte(p.text[p.at])
			continue
		}
		if p.at++; p.at >= len(p.text) || p.text[p.at] != '\'' {
			return literal{b.String()}, nil
		}
		b.WriteByte('\'')
	}
	return nil, fmt.Errorf("a string is not closed; add its second single quote")
}

// expressionIn takes the expression out of a string of a template. A string in brackets is one, unless the first bracket
// is doubled: then the string begins with one bracket and is not an expression.
func expressionIn(s string) (text string, is bool) {
	if len(s) >= 2 && s[0] == '[' && s[1] != '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1], true
	}
	return "", false
}
