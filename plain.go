package berth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// Plain is the text of an error without the words of Go's libraries in it: names of calls, of types and of parsers.
func Plain(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), e.Path+" "+plainFault(e))
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), e.New+" "+plainFault(e))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), "it is not valid JSON")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), "its JSON has another shape than expected, at '"+e.Field+"'")
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), plainNetwork(e))
	}
	if e, ok := errors.AsType[*url.Error](err); ok && (errors.Is(e, io.EOF) || errors.Is(e, io.ErrUnexpectedEOF)) {
		text = strings.ReplaceAll(text, e.Err.Error(), "the connection ended before the answer")
	}
	text = strings.ReplaceAll(text, context.DeadlineExceeded.Error(), "no answer came in time")
	text = strings.ReplaceAll(text, "tls: failed to verify certificate: x509: ", "the certificate is not trusted: ")
	text = requestWords.ReplaceAllString(text, "")
	return yamlWords.ReplaceAllString(text, "it is not valid YAML: ")
}

var (
	requestWords = regexp.MustCompile(`\b(?:Get|Head|Post|Put|Patch|Delete) "https?://[^"]*": `)
	yamlWords    = regexp.MustCompile(`error (?:converting YAML to JSON|unmarshaling JSON): (?:yaml: |while decoding JSON: (?:json: )?)?`)
)

// plainNetwork says what became of a connection.
func plainNetwork(e *net.OpError) string {
	if name, ok := errors.AsType[*net.DNSError](e); ok {
		return "the name " + name.Name + " cannot be resolved"
	}
	if e.Op == "listen" {
		return "the address " + plainFault(e.Err)
	}
	where := "the connection"
	if e.Addr != nil {
		where += " to " + e.Addr.String()
	}
	if e.Timeout() {
		return where + " failed: no answer came in time"
	}
	return where + " " + strings.Replace(plainFault(e.Err), "cannot be used", "failed", 1)
}

// plainFault says why a file or an address could not be used. The sentence around it names it.
func plainFault(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be used by you (permission denied)"
	case errors.Is(err, syscall.EISDIR):
		return "is a folder, not a file"
	case errors.Is(err, syscall.ENOTDIR):
		return "is below a file, not below a folder"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return "cannot be used: " + number.Error()
	}
	return "cannot be used: " + err.Error()
}
