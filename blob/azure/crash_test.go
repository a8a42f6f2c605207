package azure_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
)

// process is the test binary as a server of its own, which can be killed.
type process struct {
	*world
	cmd *exec.Cmd
}

func start(t *testing.T, folder string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverFolder+"="+folder)
	cmd.Stderr = t.Output()
	// The server ends with this pipe, whatever happens to the test.
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(line, " ")
	w := newWorld(t)
	w.clock.Advance(time.Since(w.clock.Now())) // that process has the real clock
	w.url = "http://" + address
	p := &process{world: w, cmd: cmd}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}

// TestKilledInTheMiddle kills the server while it takes a blob, a block and a list of blocks. The next server has the old blob or the new
// one, whole, and nothing else.
func TestKilledInTheMiddle(t *testing.T) {
	folder := t.TempDir()
	store, err := blob.Open(t.Context(), blob.Settings{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.CreateContainer(t.Context(), "work", nil); err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewSource(1))
	may := []string{""} // what the blob may have, the old and the new
	for round := range 8 {
		p := start(t, folder)
		now := ""
		if got := p.do("GET", "/work/model?"+p.hour("work", "model", "r"), nil); got.status != http.StatusNotFound {
			now = got.body
		}
		if !slices.Contains(may, now) {
			t.Fatalf("round %d: the blob has %d bytes that nobody sent", round, len(now))
		}
		if n := files(t, filepath.Join(folder, "arriving")); n != 0 {
			t.Errorf("round %d: %d unfinished files stayed", round, n)
		}
		last := fmt.Sprint("content ", round, strings.Repeat("x", 4<<20))
		may = []string{now}
		switch round % 4 {
		case 0: // a whole blob, to have one
			if got := p.upload("/work/model?", strings.NewReader(last)); got != nil {
				t.Fatal(got)
			}
			may = []string{last}
		case 1: // half a blob
			body := io.MultiReader(strings.NewReader(last[:3<<20]), &end{then: func() error { p.kill(); return errors.New("killed") }})
			if err := p.upload("/work/model?", body); err == nil {
				t.Error("half a blob was taken")
			}
		case 2: // half a block
			body := io.MultiReader(strings.NewReader(last[:3<<20]), &end{then: func() error { p.kill(); return errors.New("killed") }})
			if err := p.upload("/work/model?comp=block&blockid=AAAA&", body); err == nil {
				t.Error("half a block was taken")
			}
		case 3: // somewhere in a list of blocks
			for i := range 4 {
				part := last[i<<20:]
				if i < 3 {
					part = part[:1<<20]
				}
				if err := p.upload(fmt.Sprintf("/work/model?comp=block&blockid=AAA%d&", i), strings.NewReader(part)); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = p.upload("/work/model?comp=blocklist&", blockList("Latest", "AAA0", "AAA1", "AAA2", "AAA3"))
			}()
			for range chance.Intn(40_000) { // a while that is not the same each time
				_ = sha256.Sum256([]byte(last[:1000]))
			}
			p.kill()
			<-done
			may = append(may, last)
		}
		p.kill()
	}
}

// end is a body that does something when everything before it was read.
type end struct{ then func() error }

func (e *end) Read([]byte) (int, error) { return 0, e.then() }

func (p *process) upload(target string, body io.Reader) error {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPut, p.url+target+p.hour("work", "model", "w"), body)
	if err != nil {
		return err
	}
	r.Header.Set("x-ms-blob-type", "BlockBlob")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	return nil
}

func files(t *testing.T, folder string) (n int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

// TestBrokenOff ends the connection in the middle of a body: the blob does not change, and nothing stays.
func TestBrokenOff(t *testing.T) {
	folder := t.TempDir()
	store, err := blob.Open(t.Context(), blob.Settings{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.CreateContainer(t.Context(), "work", nil); err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{}, 1)
	w := newWorld(t)
	account := &azure.Account{Name: accountName, Key: accountKey, Store: store, Clock: w.clock, Log: w.Log}
	w.serve(httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		account.ServeHTTP(rw, r)
		answered <- struct{}{}
	})))
	for _, length := range []int64{-1, 1 << 30} { // in chunks, and with a length
		body := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), &end{then: func() error { return errors.New("broken off") }})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url+"/work/model?"+w.hour("work", "model", "cw"), body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("x-ms-blob-type", "BlockBlob")
		if response, err := http.DefaultClient.Do(r); err == nil {
			response.Body.Close()
			t.Errorf("half a body was answered with %s", response.Status)
		}
		<-answered
		if n := files(t, folder); n != 2 { // the container, and which run of the machine this is
			t.Errorf("%d files stayed", n)
		}
	}
}
