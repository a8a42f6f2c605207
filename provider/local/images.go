package local

import (
	"os"
	"path/filepath"
)

// maxImagesRecord bounds what a node writes down of its images, in bytes.
const maxImagesRecord = 4 << 20

// NodesWithImages are the real nodes of a data folder by the images that they have (NAME@DIGEST): group/cluster/node. A node writes down
// what it has (localnodes/imagerecord.go).
func NodesWithImages(dataDir string) (map[string][]string, error) {
	records, err := filepath.Glob(filepath.Join(dataDir, "clusters", "*", "kube", "nodes", "nodes", "*", "images.json"))
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, path := range records {
		var files map[string]struct {
			Images map[string]string `json:"images"`
		}
		node := filepath.Dir(path)
		info, err := os.Lstat(path) // whoever is root inside writes it
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxImagesRecord {
			continue
		}
		r, err := readRecord(filepath.Join(node, "../../../.."))
		if err != nil || readJSON(path, &files) != nil {
			continue // on its way in or out
		}
		for _, f := range files {
			for name, digest := range f.Images {
				out[name+"@"+digest] = append(out[name+"@"+digest], r.ID.Group+"/"+r.ID.Name()+"/"+filepath.Base(node))
			}
		}
	}
	return out, nil
}
