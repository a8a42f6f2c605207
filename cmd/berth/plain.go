package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// plainText is the text of an error without the words of Go's libraries in it: names of calls, of types and of parsers.
func plainText(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), e.Path+" "+plainFault(e))
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), e.New+" "+plainFault(e))
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), plainFault(e))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), "it is not valid JSON")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		text = strings.ReplaceAll(text, e.Error(), "its JSON has another shape than expected, at '"+e.Field+"'")
	}
	return yamlWords.ReplaceAllString(text, "it is not valid YAML: ")
}

var yamlWords = regexp.MustCompile(`error (?:converting YAML to JSON|unmarshaling JSON): (?:yaml: |while decoding JSON: (?:json: )?)?`)

// plainFault says why a file or an address could not be used. The sentence around it names the file.
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
	return err.Error()
}
