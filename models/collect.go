package models

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/store"
)

const (
	// uploadRest is how long an upload stays that nothing refers to: its address is good for as long.
	uploadRest = uploadTime
	// readRest is how long a file stays that was just read: the request that read it may be about to refer to it. No request takes so long.
	readRest = 15 * time.Minute
	// sweepEvery is the time between sweeps, and sweepSoon that after something was deleted. It is not below readRest: until then the
	// server does not know what a request before its start has read.
	sweepEvery = time.Hour
	sweepSoon  = readRest
)

// uploads is the folder of containers in which clients put what users upload: "LocalUpload/{upload}/{path}". Nothing else is collected.
const uploads = "LocalUpload"

// containerPrefix begins the names of the containers of workspaces.
const containerPrefix = "azureml-"

// Collector removes files that nothing refers to: of deleted models, services and workspaces, and uploads that were never registered.
//
// It does not know what kinds of resources there are. An upload stays as long as any text in any resource of its workspace has its name,
// "LocalUpload/{upload}": an id, a path, or a part of an address. Assets are the one exception, because version 1 of the SDK leaves one
// behind for each model that it deletes: one that nothing else names goes with its files.
type Collector struct {
	Store *store.Store
	Files *blob.Store
	Clock clockwork.Clock
	Log   *slog.Logger

	// known are uploads and assets that something has named since the server was started. When nothing does any more, they go at once;
	// others may be on their way.
	known map[string]bool
}

// Run collects until ctx is done.
func (c *Collector) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	defer c.Store.Subscribe(func(e store.Event) {
		if strings.Contains(e.Key, "/workspaces/") {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	})()
	if err := c.start(ctx); err != nil && ctx.Err() == nil {
		c.Log.Warn("files that nothing uses could not be looked for", "error", err)
	}
	for ctx.Err() == nil {
		c.wait(ctx, changed)
		swept, err := c.Collect(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.Warn("files that nothing uses could not be removed", "error", err) // the next sweep does it
		}
		if swept != (blob.Swept{}) {
			c.Log.Info("files that nothing uses were removed", "names", swept.Names, "contents", swept.Contents, "blocks", swept.Blocks)
		}
	}
}

// wait returns when it is time for the next sweep.
func (c *Collector) wait(ctx context.Context, changed <-chan struct{}) {
	every, soon := c.Clock.After(sweepEvery), c.Clock.After(sweepSoon)
	select {
	case <-ctx.Done():
		return
	case <-soon:
	}
	select {
	case <-ctx.Done():
	case <-every:
	case <-changed:
	}
}

// start removes what needs no patience, and notes what is named.
func (c *Collector) start(ctx context.Context) error {
	n, err := c.look(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(c.dropContainers(ctx, n), c.dropAssets(ctx, n))
	c.known = n.named
	return err
}

// Collect removes what nothing refers to.
func (c *Collector) Collect(ctx context.Context) (swept blob.Swept, err error) {
	n, err := c.look(ctx)
	if err != nil {
		return swept, err
	}
	if err := c.dropContainers(ctx, n); err != nil {
		return swept, err
	}
	if err := c.dropAssets(ctx, n); err != nil {
		return swept, err
	}
	before := c.Clock.Now().Add(-uploadRest)
	swept, err = c.Files.Collect(ctx, blob.Sweep{Rest: readRest, Uploads: uploadRest, Keep: func(at blob.At, info blob.Info) bool {
		upload, is := uploadOf(at)
		if !is || n.named[upload] || n.named[at.Container+all] {
			return true
		}
		if c.known[upload] { // it may be that it cannot go yet
			n.later[upload] = true
			return false
		}
		return !info.Modified.Before(before)
	}})
	c.known = n.named
	for upload := range n.later {
		c.known[upload] = true
	}
	return swept, err
}

// uploadOf is the upload that a file belongs to, as it is noted; false for a file that is not collected.
func uploadOf(at blob.At) (string, bool) {
	words := strings.SplitN(at.Name, "/", 3)
	if len(words) < 3 || !strings.EqualFold(words[0], uploads) || !strings.HasPrefix(at.Container, containerPrefix) {
		return "", false
	}
	return at.Container + "/" + strings.ToLower(words[1]), true
}

// all in the place of an upload stands for all of a container.
const all = "/*"

// guidLength is that of the names of workspaces and assets.
const guidLength = len("00000000-0000-0000-0000-000000000000")

// naming is what the resources of all workspaces refer to.
type naming struct {
	named map[string]bool // "container/upload", or "container/" and a GUID, which may be the name of an asset; in lower case
	later map[string]bool
	// containers are those of the workspaces that there are, by the key of the workspace.
	containers map[string]string
	assets     []*berth.Resource
	old        []string // names of containers, as they were before
}

// look reads every resource. It fails when one cannot be read: nobody knows what that refers to.
func (c *Collector) look(ctx context.Context) (*naming, error) {
	n := &naming{named: map[string]bool{}, later: map[string]bool{}, containers: map[string]string{}}
	containers, err := c.Files.Containers(ctx) // before the workspaces: each of these was made for one that is there, or was
	if err != nil {
		return nil, err
	}
	for _, container := range containers {
		n.old = append(n.old, container.Name)
	}
	workspaces, err := c.Store.All(ctx, store.Query{Type: berth.TypeWorkspace})
	if err != nil {
		return nil, err
	}
	for _, w := range workspaces {
		if w.Unreadable {
			return nil, w.Fault
		}
		n.containers[w.ID.Key()] = Container(w.Body.(*berth.Workspace))
	}
	for q := (store.Query{}); ; {
		page, next, err := c.Store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if err := n.add(r); err != nil {
				return nil, err
			}
		}
		if q.After = next; next == "" {
			return n, nil
		}
	}
}

// add notes what a resource names.
func (n *naming) add(r *berth.Resource) error {
	workspace := r.ID
	for !workspace.Is(berth.TypeWorkspace) {
		if workspace = workspace.Parent(); workspace.IsZero() || workspace.IsGroup() {
			return nil
		}
	}
	container, there := n.containers[workspace.Key()]
	switch {
	case r.Unreadable:
		return r.Fault
	case !there && r.Body.ResourceType() != berth.TypeWorkspace: // it was made since: all of it is new
		return nil
	case r.Body.ResourceType() == berth.TypeAsset:
		n.assets = append(n.assets, r)
		return nil
	}
	return n.read(container, r.Body)
}

// read notes what each text in a value names.
func (n *naming) read(container string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	words := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := words.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if value, is := token.(string); is {
			n.note(container, value)
		}
	}
}

func (n *naming) note(container, text string) {
	n.words(container, text)
	if plain, err := url.PathUnescape(text); err == nil && plain != text { // of an address
		n.words(container, plain)
	}
}

func (n *naming) words(container, text string) {
	words := strings.Split(strings.ToLower(text), "/")
	for i, word := range words {
		if len(word) == guidLength {
			n.named[container+"/"+word] = true
		}
		if word != strings.ToLower(uploads) {
			continue
		}
		if i+1 == len(words) || words[i+1] == "" {
			n.named[container+all] = true
			continue
		}
		n.named[container+"/"+words[i+1]] = true
	}
}

// dropContainers removes the files of workspaces that are gone.
func (c *Collector) dropContainers(ctx context.Context, n *naming) error {
	there := map[string]bool{}
	for _, container := range n.containers {
		there[container] = true
	}
	for _, container := range n.old {
		id, is := strings.CutPrefix(container, containerPrefix)
		if !is || len(id) != guidLength || there[container] {
			continue
		}
		if err := c.Files.DeleteContainer(ctx, container); err != nil && !errors.Is(err, blob.ErrNoContainer) {
			return err
		}
		c.Log.Info("the files of a deleted workspace were removed", "container", container)
	}
	return nil
}

// dropAssets deletes the assets that nothing names, and notes what the others name. An asset that a request is about to name has changed
// a moment ago; see renewed.
func (c *Collector) dropAssets(ctx context.Context, n *naming) error {
	now := c.Clock.Now()
	for _, a := range n.assets {
		container := n.containers[a.ID.Parent().Key()]
		mark := container + "/" + strings.ToLower(a.ID.Name())
		rest := uploadRest
		if c.known[mark] {
			rest = readRest
		}
		if !n.named[mark] && a.ModifiedAt.Before(now.Add(-rest)) {
			_, _, err := c.Store.Accept(ctx, store.Change{Verb: berth.VerbDelete, Settled: true, Resource: a, Base: a.Generation})
			if err == nil || errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !errors.Is(err, store.ErrMoved) { // somebody renews it
				return err
			}
		} else if !n.named[mark] && c.known[mark] {
			n.later[mark] = true
		}
		if err := n.read(container, a.Body); err != nil {
			return err
		}
	}
	return nil
}
