package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync"
)

// imageRecord is which files the images of a node came from. It lies beside containerd's data, so that a start reads no file again whose
// images are there, and so that `berth image list` can say which nodes have an image.
type imageRecord struct {
	mu    sync.Mutex
	path  string
	files map[string]imageFile // by path
}

// imageFile is one file, or one image of the server. provider/local/images.go reads it, too.
type imageFile struct {
	Stamp  string            `json:"stamp"`  // size and time of a file; the digest of an image
	Images map[string]string `json:"images"` // digests by name; without those names that a later file has
	Failed bool              `json:"failed,omitempty"`
}

// imagesFile is the name of the record in the folder of a node.
const imagesFile = "images.json"

// load reads what an earlier run has written. Without it, all is imported again, which does no harm.
func (r *imageRecord) load(path string) {
	r.path, r.files = path, map[string]imageFile{}
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &r.files) != nil {
		r.files = map[string]imageFile{}
	}
	maps.DeleteFunc(r.files, func(_ string, f imageFile) bool { return f.Failed }) // each start tries once more
}

func stampOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano()), nil
}

func (r *imageRecord) file(path string) (imageFile, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, there := r.files[path]
	return f, there
}

func (r *imageRecord) all() map[string]imageFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.files)
}

// set notes what a file has given to the node. Its names belong to no other file any more.
func (r *imageRecord) set(path string, f imageFile) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, have := range r.files {
		if other != path {
			have.Images = maps.Clone(have.Images)
			maps.DeleteFunc(have.Images, func(name, _ string) bool { return f.Images[name] != "" })
			r.files[other] = have
		}
	}
	r.files[path] = f
	return r.save()
}

func (r *imageRecord) remove(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.files, path)
	return r.save()
}

func (r *imageRecord) save() error {
	text, err := json.MarshalIndent(r.files, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}
