package arm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// step is one file of a scenario: a request, and the expected answer. Above the line of dashes is the request as it is sent, below it
// the status, the headers that matter, and the body. SETTLE instead of a request waits until all operations have ended.
type step struct {
	file, asked string // asked is the part that -update leaves alone

	method, path string
	header       map[string]string
	body         string

	status   int
	want     map[string]string
	wantBody any
}

const dashes = "\n--- "

func readStep(path string) (*step, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	asked, expected, _ := strings.Cut(string(text), dashes)
	st := &step{file: path, asked: strings.TrimSpace(asked), want: map[string]string{}}
	if err := st.readRequest(); err != nil || st.method == "SETTLE" {
		return st, err
	}
	if expected == "" && *update { // a new step
		return st, nil
	}
	return st, st.readExpected(expected)
}

func (st *step) readRequest() error {
	head, body, _ := strings.Cut(st.asked, "\n\n")
	lines := strings.Split(head, "\n")
	for strings.HasPrefix(lines[0], "#") && len(lines) > 1 { // the reason for the step
		lines = lines[1:]
	}
	st.body = strings.TrimSpace(body)
	st.method, st.path, _ = strings.Cut(lines[0], " ")
	if st.method != "SETTLE" && st.path == "" {
		return fmt.Errorf("the request is %q; write METHOD path", lines[0])
	}
	var err error
	st.header, err = readHeader(lines[1:])
	return err
}

func (st *step) readExpected(text string) error {
	head, body, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	lines := strings.Split(head, "\n")
	var err error
	if st.status, err = strconv.Atoi(lines[0]); err != nil {
		return fmt.Errorf("after the dashes the status is expected, not %q", lines[0])
	}
	if st.want, err = readHeader(lines[1:]); err != nil || body == "" {
		return err
	}
	if err := json.Unmarshal([]byte(body), &st.wantBody); err != nil {
		return fmt.Errorf("the expected body is not JSON: %w", err)
	}
	return nil
}

func readHeader(lines []string) (map[string]string, error) {
	out := map[string]string{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("%q is no header", line)
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// write rewrites the file.
func (st *step) write() error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s%d\n", st.asked, dashes, st.status)
	var header []string
	for k, v := range st.want {
		header = append(header, k+": "+v+"\n")
	}
	slices.Sort(header)
	out.WriteString(strings.Join(header, ""))
	if st.wantBody != nil {
		out.WriteString("\n" + pretty(st.wantBody))
	}
	return os.WriteFile(st.file, []byte(out.String()), 0o644)
}

func pretty(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // it was decoded from JSON
	}
	return out.String()
}

func indented(text string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return text
	}
	return out.String()
}

func short(text string) string {
	const enough = 3000
	if len(text) > enough {
		return text[:enough] + "…"
	}
	return text
}
