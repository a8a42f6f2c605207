package arm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestReadYourWrites: after the answer to a write, its caller reads that write or a later one, while other callers read all the time
// and answers are stored in memory.
func TestReadYourWrites(t *testing.T) {
	f := newFront(t)
	const turns = 60
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := -1; ; {
				select {
				case <-stop:
					return
				default:
				}
				n := turn(f.Do(http.MethodGet, f.workspace, nil))
				if n < last {
					t.Errorf("after turn %d comes turn %d", last, n)
				}
				last = n
			}
		})
	}
	for i := range turns {
		f.Want(http.StatusOK, f.Do(http.MethodPatch, f.workspace, object{"tags": object{"turn": strconv.Itoa(i)}}))
		if n := turn(f.Do(http.MethodGet, f.workspace, nil)); n != i {
			t.Fatalf("turn %d was accepted and turn %d is read", i, n)
		}
	}
	close(stop)
	readers.Wait()
}

// turn is the value of the workspace's tag; -1 without the tag.
func turn(r *apptest.Response) int {
	n, err := strconv.Atoi(text(apptest.At(r.Body, "tags.turn")))
	if err != nil {
		return -1
	}
	return n
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

const (
	inChild = "BERTH_TEST_ANSWERS" // set in the child process of TestAnswersAreBounded
	// addressSpace is what the child may reserve at the most, in kB, and residentMemory what it may use. A server with its client,
	// which together turn answers of 3.9 MB around, take about 130 MB.
	addressSpace   = 2 << 20
	residentMemory = 300 << 10
)

// TestAnswersAreBounded: neither large answers nor query strings that change nothing fill the memory. It runs in a process of
// its own under a limit, and asserts the peak.
func TestAnswersAreBounded(t *testing.T) {
	if os.Getenv(inChild) == "" {
		t.Parallel()
		if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			t.Skip("the race detector takes many times the memory")
		}
		line := fmt.Sprintf("ulimit -v %d; exec %q -test.v -test.run '^%s$'", addressSpace, os.Args[0], t.Name())
		child := exec.Command("sh", "-c", line)
		child.Env = append(os.Environ(), inChild+"=1")
		out, err := child.CombinedOutput()
		t.Logf("%.2000s", out)
		if err != nil {
			t.Fatalf("the child ended with %v", err)
		}
		return
	}
	s := newStage(t)
	const namespace = "/providers/Microsoft.Storage/storageAccounts/"
	body := func(size int) string {
		return `{"location":"westeurope","properties":{"text":"` + strings.Repeat("x", size) + `"}}`
	}
	s.must(s.send(http.MethodPut, s.group()+namespace+"large", nil, body(3900<<10)).is(http.StatusOK))
	const turns = 100
	for i := range turns { // about as large as what is kept, and more of them than there is room for
		s.must(s.send(http.MethodPut, fmt.Sprint(s.group(), namespace, "small", i), nil, body(200<<10)).is(http.StatusOK))
	}
	for i := range turns {
		s.must(s.send(http.MethodGet, fmt.Sprint(s.group(), namespace, "large?n=", i), nil, "").is(http.StatusOK))
		s.must(s.send(http.MethodGet, fmt.Sprint(s.group(), namespace, "small", i), nil, "").is(http.StatusOK))
	}
	peak := peakMemory(t)
	t.Logf("the peak is %d kB", peak)
	if peak > residentMemory {
		t.Errorf("at its peak the process took %d kB; it may take %d", peak, residentMemory)
	}
}

// peakMemory is the most that this process has had in memory, in kB.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say how much memory a process takes")
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	peak, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return peak
}

// BenchmarkGet is a GET that is answered from memory, without the network.
func BenchmarkGet(b *testing.B) {
	s := newStage(b)
	req := httptest.NewRequest(http.MethodGet, s.url+s.workspace()+"?api-version="+apptest.Version, nil)
	req.Header.Set("Authorization", "Bearer "+s.token)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.arm.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
