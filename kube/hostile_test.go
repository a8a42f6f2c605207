package kube_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/kube"
)

// mostMemory is what one hostile cluster may cost.
const mostMemory = 32 << 20

// slowly is what the child asks for nodes in the time that requests have by default. Otherwise the bounds come before the end of the time,
// however slow the machine is.
const slowly = "slowly"

// attack is how a hostile cluster answers, and what Berth reports of it then.
type attack struct {
	answer http.HandlerFunc
	ask    string // what the child asks for: nodes when empty
	says   string
}

// endlessly writes a text again and again until the client disconnects.
func endlessly(head, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(head))
		for block := bytes.Repeat([]byte(text), 1+(64<<10)/len(text)); r.Context().Err() == nil; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

const aNode = `{"metadata":{"name":"n","labels":{"a":"b"}},"status":{"capacity":{"cpu":"4"}}},`

// page is a page of nodes after which there is always another.
func page(nodes int) http.HandlerFunc {
	items := strings.TrimSuffix(strings.Repeat(aNode, nodes), ",")
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"kind":"NodeList","metadata":{"continue":"more"},"items":[%s]}`, items)
	}
}

// bomb is a list that is small before it is unpacked.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write([]byte(`{"kind":"NodeList","items":[{"metadata":{"name":"`))
	for block := bytes.Repeat([]byte("a"), 1<<20); ; {
		if _, err := z.Write(block); err != nil {
			return
		}
	}
}

// protobuf is a list of empty nodes: two bytes each, and a thousand when they are decoded.
func protobuf(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
	list, err := (&corev1.NodeList{Items: make([]corev1.Node, 200_000), ListMeta: metav1.ListMeta{}}).Marshal()
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(append([]byte("k8s\x00"), list...))
}

var attacks = map[string]attack{
	"a huge value": {answer: endlessly(`{"kind":"NodeList","items":[{"metadata":{"name":"`, "a"),
		says: "more than 2 MiB in one value"},
	"an endless list": {answer: endlessly(`{"kind":"NodeList","items":[`, aNode), says: "more than 5000 nodes in one list"},
	"an endless text": {answer: endlessly(``, " \n"), says: "more than 2 MiB in one value"},
	"large nodes": {answer: endlessly(`{"items":[`, `{"a":"`+strings.Repeat("x", 1<<20)+`"},`),
		says: "more than 128 MiB in one list of nodes"},
	"endless full pages":  {answer: page(250), says: "more than 5000 nodes in one list"},
	"endless empty pages": {answer: page(0), says: "more than 40 pages in one list of nodes"},
	"many small values":   {answer: endlessly(`{"items":[{"status":{"conditions":[`, `{},`), says: "more than"},
	"many labels":         {answer: endlessly(`{"items":[{"metadata":{"labels":{`, `"a":"",`), says: "more than 2 MiB in one value"},
	"deep values":         {answer: endlessly(`{"items":[`, `[`), says: "exceeded max depth"},
	"a bomb":              {answer: bomb, says: "more than 2 MiB in one value"},
	"protobuf":            {answer: protobuf, says: `content type "application/vnd.kubernetes.protobuf"`},
	"large amounts":       {answer: endlessly(`{"items":[{"status":{"capacity":{"cpu":"1e2147483647"}}}`, " "), says: "the quantity"},
	"a long continue": {answer: answering(`{"items":[],"metadata":{"continue":"` + strings.Repeat("x", 1<<20) + `"}}`),
		says: "continue token of 1048576 bytes"},
	"no list":            {answer: answering(`{"kind":"Status","status":"Success"}`), says: "something else than a list"},
	"an endless refusal": {answer: refusing, says: "the server"},
	"endless pods": {ask: "loads", answer: endlessly(`{"kind":"PodList","items":[`, `{"spec":{"nodeName":"n"}},`),
		says: "more than 500 pods in one list"},
	"endless containers": {ask: "pods", answer: endlessly(`{"items":[`, `{"spec":{"containers":[{}`+strings.Repeat(`,{}`, 999)+`]}},`),
		says: "more than 1000 pods in one list"},
	"endless events": {ask: "events", answer: endlessly(`{"items":[`, `{"message":"`+strings.Repeat("x", 5000)+`"},`),
		says: "more than 2000 events in one list"},
	"endless measurements": {ask: "measure", answer: endlessly(`{"items":[`, `{"usage":{"cpu":"1n"}},`),
		says: "more than 20000 nodes.metrics.k8s.io in one list"},
	"many containers":    {ask: "loads", answer: endlessly(`{"items":[{"spec":{"containers":[`, `{},`), says: "more than"},
	"an endless record":  {ask: "owner", answer: endlessly(`{"data":{"computeId":"`, "a"), says: "more than 512 KiB"},
	"an endless version": {ask: "version", answer: endlessly(`{"gitVersion":"`, "a"), says: "more than 64 KiB"},
	"a large token": {ask: "token", answer: answering(`{"status":{"token":"` + strings.Repeat("x", 256<<10) + `"}}`),
		says: "a token of 262144 bytes"},
	"endless discovery": {ask: "detach", answer: discovering(endlessly(`{"kind":"APIGroupDiscoveryList","items":[`,
		`{"metadata":{"name":"g"}},`)), says: "more than 2000 groups"},
	"many kinds":      {ask: "detach", answer: discovering(endlessly(`{"items":[{"versions":[{"resources":[`, `{},`)), says: "more than"},
	"a slow drip":     {ask: slowly, answer: drip, says: "deadline"},
	"a broken answer": {answer: answering(`{"items":[{"metadata"`), says: "ends in the middle"},
	"an empty answer": {answer: answering(``), says: "is empty"},
	"a name as an address": {ask: "drain", answer: answering(`{"items":[{"metadata":{"namespace":"a","name":"../../b"}}]}`),
		says: "cannot be part of an address"},
}

func answering(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}
}

func refusing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	endlessly(`{"kind":"Status","message":"`, "a")(w, r)
}

// drip sends a byte now and then, so that no pause is long.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := w.Write([]byte(" ")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// discovering plays a cluster in which Berth's namespace is its own, and nothing else of Berth's is there.
func discovering(discovery http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api" || r.URL.Path == "/apis":
			discovery(w, r)
		case r.URL.Path == "/api/v1/namespaces/"+inANewName:
			answering(fmt.Sprintf(`{"metadata":{"uid":"u","labels":{"app.kubernetes.io/managed-by":"berth"},
				"annotations":{"berth.dev/compute":%q}}}`, computeID))(w, r)
		default:
			http.NotFound(w, r)
		}
	}
}

// TestHostileAnswers: what a cluster sends costs no more than 32 MB, is answered with a sentence that has the bound in it, and
// is over in time. A process of its own asks, so that its peak is this answer's alone.
func TestHostileAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each")
	}
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewTLSServer(a.answer)
			defer s.Close()
			defer s.CloseClientConnections()
			config := kubeconfigOf(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHostileChild$", "-test.v")
			child.Env = append(os.Environ(), "HOSTILE_ASK="+a.ask+".", "HOSTILE_CONFIG="+base64.StdEncoding.EncodeToString(config))
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("the process ended with %v: %s", err, out)
			}
			grown, says := report(t, string(out))
			if grown > mostMemory && !raced() {
				t.Errorf("it cost %d MB", grown>>20)
			}
			if !strings.Contains(says, a.says) || len(says) > 600 {
				t.Errorf("it says %.700q; want %q", says, a.says)
			}
		})
	}
}

// TestManyHostileAnswers: a hundred hostile clusters at once cost what a few large answers do.
func TestManyHostileAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	s := httptest.NewTLSServer(endlessly(`{"kind":"NodeList","items":[{"metadata":{"name":"`, "a"))
	defer s.Close()
	defer s.CloseClientConnections()
	config := kubeconfigOf(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileChild$", "-test.v")
	child.Env = append(os.Environ(), "HOSTILE_ASK=many.", "HOSTILE_CONFIG="+base64.StdEncoding.EncodeToString(config))
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("the process ended with %v: %s", err, out)
	}
	grown, says := report(t, string(out))
	if grown > 128<<20 && !raced() || says != "100 failed, some of them refused" {
		t.Errorf("a hundred cost %d MB: %s", grown>>20, says)
	}
}

// raced says that the race detector is at work, which takes many times the memory.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func report(t *testing.T, out string) (grown int64, says string) {
	t.Helper()
	_, line, found := strings.Cut(out, "REPORT ")
	line, _, _ = strings.Cut(line, "\n")
	number, quoted, _ := strings.Cut(line, " ")
	grown, err := strconv.ParseInt(number, 10, 64)
	says, failed := strconv.Unquote(quoted)
	if !found || err != nil || failed != nil {
		t.Fatalf("no report: %s", out)
	}
	return grown, says
}

// TestHostileChild is the process that asks; it does nothing by itself.
func TestHostileChild(t *testing.T) {
	ask, yes := os.LookupEnv("HOSTILE_ASK")
	if !yes {
		t.Skip("runs in TestHostileAnswers")
	}
	config, err := base64.StdEncoding.DecodeString(os.Getenv("HOSTILE_CONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	o := unhurried
	if ask == slowly+"." {
		o.Timeout = 0
	}
	c, err := kube.Connect(config, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := peak(t)
	says := fmt.Sprint(asking(t.Context(), c, strings.TrimSuffix(ask, ".")))
	fmt.Printf("REPORT %d %q\n", peak(t)-before, says)
}

func asking(ctx context.Context, c *kube.Conn, what string) (err error) {
	switch what {
	case "many":
		results := make(chan error)
		for range 100 {
			go func() {
				_, err := c.Nodes(ctx)
				results <- err
			}()
		}
		failed, refused := 0, "none"
		for range 100 {
			err := <-results
			if err != nil {
				failed++
			}
			if kube.Nonsense(err) {
				refused = "some"
			}
		}
		return fmt.Errorf("%d failed, %s of them refused", failed, refused)
	case "pods":
		_, _, err = c.Pods(ctx, "")
	case "events":
		_, _, err = c.Events(ctx, "")
	case "measure":
		_, err = c.Measure(ctx, time.Now(), 300, func(string) bool { return true })
	case "controllers":
		_, _, err = c.Controllers(ctx, "")
	case "loads":
		_, _, err = c.Loads(ctx)
	case "owner":
		_, err = c.Owner(ctx)
	case "version":
		_, err = c.Version(ctx)
	case "token":
		_, _, err = c.Token(ctx, inANewName, time.Hour)
	case "detach":
		_, err = c.Detach(ctx, attachment)
	case "drain":
		_, _, err = c.Drain(ctx, "node")
	default:
		_, err = c.Nodes(ctx)
	}
	return err
}

// peak is the most memory that this process ever had.
func peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the peak of a process is known on Linux only")
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// FuzzAnswers: whatever a cluster answers, to whatever it is asked, Berth neither panics nor reports it at length.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		`{"kind":"NodeList","items":[` + strings.TrimSuffix(aNode, ",") + `]}`,
		`{"items":[{"spec":{"nodeName":"n","containers":[{"resources":{"requests":{"cpu":"1e3","memory":"1Gi"}}}]}}]}`,
		`{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"g"},"versions":[{"version":"v1",` +
			`"resources":[{"resource":"r","scope":"Namespaced","verbs":["list","delete"]}]}]}]}`,
		`{"status":{"token":"t","expirationTimestamp":"2026-01-01T00:00:00Z"}}`,
		`{"gitVersion":"v1.36.0","emulationMajor":"1","emulationMinor":"35"}`,
		`{"data":{"computeId":"c"},"metadata":{"uid":"u"}}`, `{"items":null}`, `[]`, `null`, `"x"`, `{"items":[null,{}]}`, `{`, "",
	} {
		f.Add([]byte(text), 200)
		f.Add([]byte(text), 500)
	}
	var now struct {
		text []byte
		code int
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(now.code)
		_, _ = w.Write(now.text)
	}))
	f.Cleanup(s.Close)
	c, err := kube.Connect(kubeconfigOf(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})),
		kube.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	f.Fuzz(func(t *testing.T, text []byte, code int) {
		now.text, now.code = text, 200+max(code, 0)%400
		if now.code == http.StatusNoContent || now.code == http.StatusNotModified {
			return // these have no body
		}
		for _, what := range []string{"", "loads", "owner", "version", "token", "detach", "drain", "pods", "events", "measure", "controllers"} {
			if err := asking(t.Context(), c, what); err != nil && len(err.Error()) > 1500 {
				t.Errorf("%s is answered at length: %.100s", what, err)
			}
		}
	})
}
