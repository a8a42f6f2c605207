package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"
)

const redacted = "REDACTED"

// secretKeys are the JSON and form fields whose values are never shown, in lower case.
var secretKeys = map[string]bool{
	"client_secret": true, "clientsecret": true, "access_token": true, "refresh_token": true, "id_token": true, "client_assertion": true,
	"key": true, "userkubeconfig": true, "adminkubeconfig": true, "kubeconfig": true, "primarykey": true, "secondarykey": true,
	"password": true, "secret": true, "secrettext": true,
	"accesstoken": true, "contenturi": true, // whoever has the address may read or write the file
}

func (c *Client) traceRequest(req *http.Request, body []byte) {
	if c.options.Trace == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "> %s %s\n", req.Method, unsigned(req.URL))
	writeHeader(&b, "> ", req.Header)
	writeBody(&b, "> ", shown(req.Header.Get("Content-Type"), body))
	_, _ = fmt.Fprint(c.options.Trace, b.String()) // a trace that cannot be written is no reason to stop
}

// unsigned is an address without what permits everyone who has it to use it.
func unsigned(u *url.URL) string {
	query := u.Query()
	if !query.Has("sig") {
		return u.String()
	}
	query.Set("sig", redacted)
	out := *u
	out.RawQuery = query.Encode()
	return out.String()
}

func (c *Client) traceResponse(res *Response, took time.Duration) {
	if c.options.Trace == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "< %d %s (%s)\n", res.Status, http.StatusText(res.Status), took.Round(time.Millisecond))
	writeHeader(&b, "< ", res.Header)
	writeBody(&b, "< ", shown(res.Header.Get("Content-Type"), res.body))
	_, _ = fmt.Fprint(c.options.Trace, b.String())
}

func writeHeader(b *strings.Builder, mark string, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		value := strings.Join(h[name], ", ")
		switch strings.ToLower(name) {
		case "authorization", "set-cookie", "cookie":
			value = redacted
		}
		fmt.Fprintf(b, "%s%s: %s\n", mark, name, value)
	}
}

func writeBody(b *strings.Builder, mark, body string) {
	if body == "" {
		return
	}
	for _, line := range strings.Split(body, "\n") {
		b.WriteString(mark + line + "\n")
	}
}

// shown is a body without its secrets. A body that cannot be parsed is not shown: it might hold one.
func shown(contentType string, body []byte) string {
	if len(bytes.TrimSpace(body)) == 0 {
		return ""
	}
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return fmt.Sprintf("(%d bytes)", len(body))
		}
		for name := range form {
			if secretKeys[strings.ToLower(name)] {
				form.Set(name, redacted)
			}
		}
		return form.Encode()
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Sprintf("(%d bytes)", len(body))
	}
	text, err := json.MarshalIndent(redact(v), "", "  ")
	if err != nil {
		return fmt.Sprintf("(%d bytes)", len(body))
	}
	return string(text)
}

// redact replaces the values of secret fields. The kubeconfigs of a cluster come as {"name","value"} in a list of that name.
func redact(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = redact(v[i])
		}
	case map[string]any:
		for key, inner := range v {
			switch {
			case secretKeys[strings.ToLower(key)] && inner != nil:
				v[key] = redacted
			case strings.EqualFold(key, "kubeconfigs"):
				v[key] = redactValues(inner)
			default:
				v[key] = redact(inner)
			}
		}
	}
	return v
}

func redactValues(v any) any {
	list, _ := v.([]any)
	for _, item := range list {
		if o, ok := item.(map[string]any); ok && o["value"] != nil {
			o["value"] = redacted
		}
	}
	return v
}
